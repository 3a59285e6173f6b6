//! A request as it goes to the server: the headers of the protocol before the user's own, the path (behind a proxy the whole
//! URL), the body. It is written out for HTTP/1.1 (RFC 9112 section 3), and put together for HTTP/2.

use std::io::Write as _;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, HOST, PROXY_AUTHORIZATION, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use http_body_util::Full;
use url::Position;

use super::client::{Ask, Template, bare};
use crate::event::Reason;
use crate::transport::Fault;

/// One request to one target.
pub(super) struct Request<'a> {
    pub(super) template: &'a Template,
    pub(super) ask: &'a Ask,
    /// Whether a proxy reads it.
    pub(super) is_forwarded: bool,
    /// What that proxy wants to know.
    pub(super) proxy_basic: Option<&'a HeaderValue>,
}

impl Request<'_> {
    pub(super) fn body(&self) -> &Bytes {
        &self.ask.body
    }

    /// Whether it asks for the connection to be closed behind the answer (RFC 9112 section 9.6).
    pub(super) fn is_last(&self) -> bool {
        let closes = |value: &[u8]| {
            value.split(|byte| *byte == b',').any(|item| item.trim_ascii().eq_ignore_ascii_case(b"close"))
        };
        self.headers().any(|(name, value)| name.eq_ignore_ascii_case("connection") && closes(value))
    }

    fn path(&self) -> &str {
        &self.ask.url[Position::BeforePath..Position::AfterQuery]
    }

    fn unwritable(&self, why: &dyn std::fmt::Display) -> Fault {
        let message = format!("the request to {} cannot be written: {why}", bare(&self.ask.url));
        Fault::new(Reason::Internal, message)
    }

    /// The user's own headers that the protocol leaves alone, then the protocol's, but for `Host`.
    fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let ask = self.ask;
        let is_left = move |name: &str| {
            ask.fields.get(name).is_none() && !ask.without.iter().any(|without| without.eq_ignore_ascii_case(name))
        };
        let users = self.template.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        let protocols = ask.fields.iter().map(|(name, value)| (name, value.as_bytes()));
        // An audit may send another host than that of the URL: there is never more than one. Where the body ends is ours to
        // say.
        let is_ours = |name: &HeaderName, of: &str| of.eq_ignore_ascii_case(name.as_str());
        let protocols = protocols.filter(move |(name, _)| {
            ![&HOST, &CONTENT_LENGTH, &TRANSFER_ENCODING].iter().any(|one| is_ours(one, name))
        });
        let proxys = self.proxy_basic.map(|basic| (PROXY_AUTHORIZATION.as_str(), basic.as_bytes()));
        users.filter(move |(name, _)| is_left(name)).chain(protocols).chain(proxys)
    }

    /// Writes all but the body.
    ///
    /// # Errors
    /// [`Fault`], when the path cannot stand in a request.
    pub(super) fn write_head(&self, into: &mut Vec<u8>) -> Result<(), Fault> {
        let path = self.path();
        if !path.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(self.unwritable(&"its path has characters that no path can hold"));
        }
        let authority = self.template.authority.as_bytes();
        into.extend_from_slice(self.ask.method.as_str().as_bytes());
        into.push(b' ');
        if self.is_forwarded {
            into.extend_from_slice(self.ask.url.scheme().as_bytes());
            into.extend_from_slice(b"://");
            into.extend_from_slice(authority);
        }
        into.extend_from_slice(path.as_bytes());
        into.extend_from_slice(b" HTTP/1.1\r\n");
        write_line(into, HOST.as_str(), self.ask.fields.get(HOST.as_str()).map_or(authority, str::as_bytes));
        for (name, value) in self.headers() {
            write_line(into, name, value);
        }
        // A method that is expected to have a body says so also where it has none (RFC 9110 section 8.6).
        if !self.body().is_empty() || self.ask.method == Method::POST {
            // A vector takes all that is written.
            let _ = write!(into, "Content-Length: {}\r\n", self.body().len());
        }
        into.extend_from_slice(b"\r\n");
        Ok(())
    }

    /// The request for HTTP/2, whose host is a part of its URI.
    ///
    /// # Errors
    /// [`Fault`], when the URL is none for HTTP/2.
    pub(super) fn for_h2(&self) -> Result<http::Request<Full<Bytes>>, Fault> {
        let authority = self.template.authority.as_bytes();
        let uri = Uri::builder().scheme(self.ask.url.scheme()).authority(authority).path_and_query(self.path());
        let mut request = http::Request::new(Full::new(self.body().clone()));
        *request.uri_mut() = uri.build().map_err(|error| self.unwritable(&error))?;
        *request.method_mut() = self.ask.method.clone();
        let mut headers = HeaderMap::new();
        let host = self.ask.fields.get(HOST.as_str()).map(|host| (HOST.as_str(), host.as_bytes()));
        for (name, value) in host.into_iter().chain(self.headers()) {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| self.unwritable(&error))?;
            let mut value = HeaderValue::from_bytes(value).map_err(|error| self.unwritable(&error))?;
            // Such a value is in no debug output, and in no table of either end.
            let is_the_users = self.template.headers.contains_key(&name);
            value.set_sensitive(is_the_users || name == AUTHORIZATION || name.as_str().contains("session"));
            headers.append(name, value);
        }
        *request.headers_mut() = headers;
        Ok(request)
    }
}

/// Some servers know only names as they were once written.
fn write_line(into: &mut Vec<u8>, name: &str, value: &[u8]) {
    let begins = into.len();
    into.reserve(name.len() + value.len() + 4);
    into.extend_from_slice(name.as_bytes());
    let mut is_start = true;
    for byte in &mut into[begins..] {
        *byte = if is_start { byte.to_ascii_uppercase() } else { byte.to_ascii_lowercase() };
        is_start = *byte == b'-';
    }
    into.extend_from_slice(b": ");
    into.extend_from_slice(value);
    into.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use url::Url;

    use super::*;
    use crate::transport::http::fields::Fields;

    fn written(ask: &Ask, is_forwarded: bool) -> Result<String, Fault> {
        let headers = [("user-agent", "mcp-probe"), ("x-team", "a"), ("x-team", "b"), ("accept-language", "de")];
        let headers =
            headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let template = Template {
            url: Arc::clone(&ask.url),
            authority: HeaderValue::from_static("Host.test:81"),
            headers: headers.fold(HeaderMap::new(), |mut all, (name, value)| {
                all.append(name, value);
                all
            }),
            asks_gzip: false,
            body_bytes_max: 0,
        };
        let basic = HeaderValue::from_static("Basic x");
        let request = Request { template: &template, ask, is_forwarded, proxy_basic: is_forwarded.then_some(&basic) };
        let mut text = Vec::new();
        request.write_head(&mut text)?;
        Ok(String::from_utf8(text).unwrap())
    }

    fn ask(method: Method, url: &str, fields: &[(&'static str, &'static str)]) -> Ask {
        let mut set = Fields::default();
        for (name, value) in fields {
            set.set(*name, *value).unwrap();
        }
        Ask { method, ..Ask::get(Arc::new(Url::parse(url).unwrap()), set) }
    }

    #[test]
    fn a_request_is_written_as_the_protocol_and_the_user_want_it() {
        let fields = [("MCP-Protocol-Version", "1"), ("user-agent", "other"), ("Mcp-Name", "Gr\u{fc}n")];
        let mut post = ask(Method::POST, "http://host.test:81/a%20b?c={}", &fields);
        post.body = Bytes::from_static(b"{}");
        post.without = vec!["Accept-Language".into()];
        let headers =
            "X-Team: a\r\nX-Team: b\r\nMcp-Protocol-Version: 1\r\nUser-Agent: other\r\nMcp-Name: Gr\u{fc}n\r\n";
        let expected =
            format!("POST /a%20b?c={{}} HTTP/1.1\r\nHost: Host.test:81\r\n{headers}Content-Length: 2\r\n\r\n");
        assert_eq!(written(&post, false).unwrap(), expected);
        let forwarded = written(&post, true).unwrap();
        assert!(forwarded.starts_with("POST http://Host.test:81/a%20b?c={} HTTP/1.1\r\n"), "{forwarded}");
        assert!(forwarded.contains("\r\nProxy-Authorization: Basic x\r\n"), "{forwarded}");
    }

    #[test]
    fn where_a_body_ends_is_ours_to_say_and_there_is_one_host() {
        let fields = [("Host", "evil"), ("Content-Length", "9"), ("transfer-encoding", "chunked")];
        let get = written(&ask(Method::GET, "http://host.test/", &fields), false).unwrap();
        assert!(get.starts_with("GET / HTTP/1.1\r\nHost: evil\r\n") && get.matches("Host:").count() == 1, "{get}");
        assert!(!get.contains("Content-Length") && !get.contains("chunked"), "{get}");
        let empty = written(&ask(Method::POST, "http://host.test/", &fields), false).unwrap();
        assert!(empty.ends_with("\r\nContent-Length: 0\r\n\r\n"), "{empty}");
        let cut = Url::parse("http://host.test/a b\r\nc").unwrap();
        assert!(!cut[Position::BeforePath..].contains([' ', '\r', '\n']), "{cut}");
    }
}
