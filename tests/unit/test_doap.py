"""What a DOAP file of GNOME tells, and what is no such file."""

import pytest

from release_service import doap
from release_service.errors import BadChange

FILE = """<?xml version="1.0" encoding="UTF-8"?>
<Project xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
         xmlns:rdfs="http://www.w3.org/2000/01/rdf-schema#"
         xmlns:foaf="http://xmlns.com/foaf/0.1/"
         xmlns:gnome="http://api.gnome.org/doap-extensions#"
         xmlns:other="http://other.example/ns#"
         xmlns="http://usefulinc.com/ns/doap#">
  <name xml:lang="en">GTK</name>
  <shortdesc xml:lang="en">Multi-platform toolkit</shortdesc>
  <homepage rdf:resource="https://www.gtk.org/" />
  {pages}
  {maintainers}
</Project>
"""


def page(url: str) -> str:
    return f'<download-page rdf:resource="{url}" />'


def maintainer(userid: str) -> str:
    mbox = f'<foaf:mbox rdf:resource="mailto:{userid}@gnome.example" />'
    return f"<maintainer><foaf:Person><foaf:name>X</foaf:name>{mbox}{person(userid)}</foaf:Person></maintainer>"


def person(userid: str) -> str:
    return f"<gnome:userid>{userid}</gnome:userid>"


def parse(*pages: str, maintainers: str = "") -> doap.Described:
    return doap.parse(FILE.format(pages="".join(pages), maintainers=maintainers).encode())


@pytest.mark.parametrize(
    ("url", "module"),
    [
        ("http://download.gnome.org/sources/gtk/", "gtk"),
        ("https://download.gnome.org/sources/gtk", "gtk"),
        ("http://ftp.gnome.org/pub/GNOME/sources/gtk+/", "gtk+"),
        ("https://download.gnome.org/sources/gtk%2B/", "gtk+"),
        ("https://download.gnome.org/sources/gtk+/3.24/", "gtk+"),
        ("https://download.gnome.org/sources/gtk+/3.24", "gtk+"),
        ("//download.gnome.org/sources/NetworkManager", "NetworkManager"),
        ("https://download.gnome.org/sources/gtk/?C=M", "gtk"),
    ],
)
def test_a_download_page_below_sources_names_a_module(url: str, module: str) -> None:
    assert parse(page(url)).modules == [module]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://www.gtk.org/download/",
        "https://download.gnome.org/sources/",
        "https://download.gnome.org/sources",
        "https://download.gnome.org/sources/gtk/4.18/gtk-4.18.1.tar.xz",
        "https://download.gnome.org/sources/..%2Fetc/",
        "https://download.gnome.org/sources/con/",
        "http://[sources/gtk/",
        "https://download.gnome.org/resources/gtk/",
    ],
)
def test_any_other_page_names_none(url: str) -> None:
    assert parse(page(url)).modules == []


def test_a_file_without_a_download_page_names_no_module() -> None:
    assert parse(maintainers=maintainer("mclasen")) == doap.Described([], ["mclasen"])


def test_a_page_may_also_be_written_as_text() -> None:
    text = "<download-page> https://download.gnome.org/sources/gtk/ </download-page>"
    assert parse(text).modules == ["gtk"]


def test_a_project_may_make_several_modules_and_name_one_twice() -> None:
    pages = [page(f"https://download.gnome.org/sources/{name}/") for name in ("gtk", "gtk+", "gtk")]
    assert parse(*pages).modules == ["gtk", "gtk+"]


def test_all_maintainers_are_read_in_order_and_once() -> None:
    maintainers = "".join(map(maintainer, ["mclasen", "ebassi", "mclasen", " matthiasc \n"]))
    assert parse(maintainers=maintainers).userids == ["mclasen", "ebassi", "matthiasc"]


@pytest.mark.parametrize("userid", ["", "Matthias Clasen", "a/b", "-a", "a" * 65, "a&#10;b", "ä"])
def test_what_cannot_be_a_userid_is_left_out(userid: str) -> None:
    assert parse(maintainers=maintainer(userid) + maintainer("ebassi")).userids == ["ebassi"]


def test_people_who_are_no_maintainers_and_names_of_other_namespaces_count_for_nothing() -> None:
    others = (
        f"<developer><foaf:Person>{person('dev')}</foaf:Person></developer>"
        f"<other:maintainer><foaf:Person>{person('foreign')}</foaf:Person></other:maintainer>"
        "<maintainer><foaf:Person><other:userid>foreign</other:userid></foaf:Person></maintainer>"
        f"<other:download-page rdf:resource='https://download.gnome.org/sources/gtk/' />{person('loose')}"
    )
    assert parse(maintainers=others) == doap.Described([], [])


BOMB = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><x>&b;</x>'


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not XML",
        b"<Project>",
        b"\xff\xfe\x00",
        b'<?xml version="1.0" encoding="no-such"?><x/>',
        b'<?xml version="1.0" encoding="utf-8"?><x>\xff</x>',
        BOMB.encode(),
        b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>',
        b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>',
        b"<x>&undefined;</x>",
    ],
)
def test_what_is_not_plain_xml_is_refused(content: bytes) -> None:
    with pytest.raises(BadChange, match="The file is no XML that is read here"):
        doap.parse(content)


def test_xml_that_is_no_doap_tells_nothing() -> None:
    assert doap.parse(b"<html><body/></html>") == doap.Described([], [])


def test_a_file_that_is_nested_as_deep_as_it_may_be_long_is_read() -> None:
    depth = 32_000
    assert doap.parse(b"<a>" * depth + b"</a>" * depth) == doap.Described([], [])


def test_a_huge_file_is_refused_before_it_is_read_as_xml() -> None:
    with pytest.raises(BadChange, match="longer than 262144 bytes"):
        doap.parse(b"<" * (256 * 1024 + 1))


def test_the_sso_export_of_its_users_maps_names_to_ids() -> None:
    text = b'[{"id": "6f1c", "username": "mclasen", "enabled": true}, {"username": "ebassi", "id": "77"}]'
    assert doap.subjects(text) == {"mclasen": "6f1c", "ebassi": "77"}
    assert doap.subjects(b"[]") == {}


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{}x",
        b'{"id": "a", "username": "b"}',
        b"[1]",
        b"5",
        b'[{"id": "a"}]',
        b'[{"id": 5, "username": "b"}]',
        b'[{"id": "", "username": "b"}]',
        b'[{"id": "a", "username": ["b"]}]',
        b"\xff",
    ],
)
def test_any_other_list_of_subjects_is_refused(text: bytes) -> None:
    with pytest.raises(BadChange, match="The file of subjects is no JSON list"):
        doap.subjects(text)
