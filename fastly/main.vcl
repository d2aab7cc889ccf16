# The Fastly service before the bucket: custom VCL, in Fastly's dialect.  README.md says how it is loaded, and what of it is
# only tested by its twin (twin.vcl.in).  The rules are CONTRACT.md 4, "Serving"; each is here because a client broke
# without it.
#
# The dialect: text between {" and "} is taken as it is, while "..." turns %2B into a plus sign.

sub vcl_recv {
  # Without this everybody may purge a URL.
  set req.http.Fastly-Purge-Requires-Auth = "1";
#FASTLY recv

  if (req.method != "GET" && req.method != "HEAD" && req.method != "FASTLYPURGE") { error 605; }

  # Once, at the node that the reader has reached.  A purge comes this way, too: it finds what readers find.
  if (req.restarts == 0 && fastly.ff.visits_this_service == 0) {
    unset req.http.X-Directory;
    unset req.http.X-Missing;
    set req.url = regsub(req.url, "[?#].*$", "");
    set req.url = regsub(req.url, "^/pub/(GNOME|gnome)/", "/");
    if (req.url ~ {"(?i)%2f|%[01][0-9a-f]|%7f"}) { error 604; }
    # S3 reads a raw + as a space.  One spelling of each path, which is also the one that is signed.
    set req.url = regsuball(req.url, "[+]", {"%2B"});
    set req.url = regsuball(urlencode(urldecode(req.url)), {"%2F"}, "/");
    # No other prefix of the bucket is public; and no path walks out of one.
    if (req.url !~ "^/(sources|core)(/|$)" && req.url != "/robots.txt") { error 604; }
    if (req.url ~ "/[.]|//") { error 604; }
  }
  if (req.http.X-Missing) { error 604; }

  # A tarball may be larger than what Fastly caches in one piece; ranges of it are fetched as ranges.
  if (req.url ~ "[.]tar[.](xz|gz|bz2|zst)$") { set req.enable_segmented_caching = true; }

  unset req.http.Accept-Encoding;  # nobody is sent what is not the file's own bytes
  unset req.http.Authorization;
  unset req.http.Cookie;
  return(lookup);
}

# The path alone: readers come by many host names.
sub vcl_hash {
  set req.hash += req.url;
#FASTLY hash
  return(hash);
}

sub vcl_hit {
#FASTLY hit
  if (!obj.cacheable) { return(pass); }
  return(deliver);
}

sub vcl_miss {
#FASTLY miss
  if (req.backend.is_origin) { call ask_s3; }
  return(fetch);
}

sub vcl_pass {
#FASTLY pass
  if (req.backend.is_origin) { call ask_s3; }
  return(pass);
}

# Signature version 4, of the dictionary's read-only key.
sub ask_s3 {
  declare local var.day STRING;
  declare local var.scope STRING;
  declare local var.request STRING;
  declare local var.text STRING;
  declare local var.signature STRING;

  if (bereq.url ~ "/$") { set bereq.url = bereq.url "index.html"; }
  set bereq.url = table.lookup(s3, "prefix", "") bereq.url;
  set bereq.http.Host = table.lookup(s3, "host");
  unset bereq.http.X-Directory;
  unset bereq.http.Fastly-Key;
  set bereq.http.x-amz-content-sha256 = digest.hash_sha256("");
  set bereq.http.x-amz-date = strftime({"%Y%m%dT%H%M%SZ"}, now);

  set var.day = strftime({"%Y%m%d"}, now);
  set var.scope = var.day "/" table.lookup(s3, "region") "/s3/aws4_request";
  set var.request = bereq.method LF bereq.url LF
    LF
    "host:" bereq.http.Host LF
    "x-amz-content-sha256:" bereq.http.x-amz-content-sha256 LF
    "x-amz-date:" bereq.http.x-amz-date LF
    LF
    "host;x-amz-content-sha256;x-amz-date" LF
    bereq.http.x-amz-content-sha256;
  set var.text = "AWS4-HMAC-SHA256" LF bereq.http.x-amz-date LF var.scope LF digest.hash_sha256(var.request);
  set var.signature = digest.awsv4_hmac(
    table.lookup(s3, "secret_key"), var.day, table.lookup(s3, "region"), "s3", var.text);
  set bereq.http.Authorization = "AWS4-HMAC-SHA256 Credential=" table.lookup(s3, "access_key") "/" var.scope
    ",SignedHeaders=host;x-amz-content-sha256;x-amz-date,Signature=" regsub(var.signature, "^0x", "");
}

sub vcl_fetch {
#FASTLY fetch
  set beresp.gzip = false;
  set beresp.brotli = false;

  # S3 is down, or does not know the key any more: what was there before is sent once more.
  if (!http_status_matches(beresp.status, "200,206,304,400,404,416") && stale.exists) { return(deliver_stale); }
  # S3 says 403 of what is not there to those who may not list.
  if (beresp.status == 400 || beresp.status == 403 || beresp.status == 404) {
    set beresp.status = 404;
    set beresp.cacheable = true;
    # Clients poll the next version's URL; it must not stay missing after its release.
    set beresp.ttl = 5s;
    set beresp.stale_if_error = 0s;
    set beresp.stale_while_revalidate = 0s;
    set beresp.http.Cache-Control = "no-cache";
    return(deliver);
  }
  if (!http_status_matches(beresp.status, "200,206,304,416")) { error 503; }

  # The TTL is that of Cache-Control; an object without one (put there by hand) is no older than an index.
  if (!beresp.http.Cache-Control) { set beresp.ttl = 60s; }
  set beresp.stale_while_revalidate = 0s;
  set beresp.stale_if_error = 86400s;
  if (beresp.http.x-amz-meta-surrogate-key) {
    set beresp.http.Surrogate-Key = beresp.http.x-amz-meta-surrogate-key;
  }
  return(deliver);
}

sub vcl_deliver {
  if (resp.status >= 500 && stale.exists) { restart; }
#FASTLY deliver

  if (fastly.ff.visits_this_service == 0) {
    # A bucket has no directories: one is where an index is.  Only asked where a directory can be, so that polling for
    # a tarball costs one request and no more.
    if (resp.status == 404 && req.restarts == 0 && req.url ~ "^/(sources(/[^/]+){0,2}|core(/[^/]+){0,3})$") {
      set req.http.X-Directory = regsuball(regsub(req.url, "^.*/", ""), {"%2B"}, "+") "/";
      set req.url = req.url "/";
      restart;
    }
    # S3's page says what the key is called, and more.
    if (resp.status == 404 && !req.http.X-Missing && req.restarts < 3) {
      set req.http.X-Missing = "1";
      restart;
    }
    if (req.http.X-Directory && resp.status < 300) {
      set resp.status = 301;
      set resp.response = "Moved Permanently";
      set resp.http.Location = req.http.X-Directory;
    }
    unset resp.http.x-amz-*;
    unset resp.http.Server;
    unset resp.http.Vary;
    unset resp.http.Via;
    set resp.http.X-Content-Type-Options = "nosniff";
    if (req.http.Fastly-SSL) { set resp.http.Strict-Transport-Security = "max-age=31557600"; }
  }
  return(deliver);
}

sub vcl_error {
#FASTLY error
  if (obj.status >= 500 && obj.status < 600 && stale.exists) { return(deliver_stale); }
  if (obj.status >= 500 && obj.status < 600) { set obj.response = "Service Unavailable"; }
  if (obj.status == 604) { set obj.status = 404; set obj.response = "Not Found"; }
  if (obj.status == 605) { set obj.status = 405; set obj.response = "Method Not Allowed"; set obj.http.Allow = "GET, HEAD"; }
  set obj.http.Content-Type = "text/plain; charset=utf-8";
  set obj.http.Cache-Control = "no-cache";
  synthetic obj.response LF;
  return(deliver);
}

sub vcl_log {
#FASTLY log
}
