//! `kind = "pushgateway"`: one `PUT` replaces the group of this prober with what is known now. The gateway never forgets:
//! what is put there stays until somebody puts something else there, and says when (`push_time_seconds`).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;

use super::{Encoder, Keeping, Occasion, Row, TIMEOUT_USUAL, fits};
use crate::base::secret::Secret;
use crate::config::receiver::{AUTH, HEADERS, Kind, LABELS, Settings, Shape, TIMEOUT, URL, may, parsed_url};
use crate::deliver::{Accept, HttpPayload, Payload, Retry};
use crate::metrics::Snapshot;
use crate::metrics::exposition::{Format, Page};
use crate::metrics::labels::is_name;

/// The row of the table.
pub(super) const ROW: Row = Row {
    kind: Kind {
        name: "pushgateway",
        slots: &[
            URL,
            may("job", Shape::Text, "The job under which the metrics are grouped."),
            HEADERS,
            AUTH,
            LABELS,
            TIMEOUT,
        ],
    },
    compile,
};

/// The job, where the file names none.
const JOB: &str = "mcp_probe";

struct Pushgateway {
    url: Secret,
    headers: Vec<(String, Secret)>,
    timeout: Duration,
}

fn compile(settings: &Settings) -> Result<Box<dyn Encoder>, String> {
    let url = parsed_url(settings.needed("url")?, "url")?;
    let job = settings.text("job").map_or(JOB, Secret::reveal);
    let mut path = format!("/metrics{}", part("job", job));
    for (name, value) in settings.table("labels") {
        if !is_name(name) || name == "job" {
            return Err(format!("{name:?} in `labels` cannot be part of a group: `[a-zA-Z_][a-zA-Z0-9_]*`, not `job`"));
        }
        path.push_str(&part(name, value.reveal()));
    }
    let url = grouped(url, &path);
    Ok(Box::new(Pushgateway {
        url: Secret::new(url),
        headers: settings.headers(&[("Content-Type", Format::Classic.content_type())])?,
        timeout: settings.timeout(TIMEOUT_USUAL),
    }))
}

/// The address of the group, below the gateway's own. What is a query stays at the end.
fn grouped(mut url: url::Url, path: &str) -> String {
    let query = url.query().map_or_else(String::new, |query| format!("?{query}"));
    url.set_query(None);
    url.set_fragment(None);
    format!("{}{path}{query}", url.as_str().trim_end_matches('/'))
}

/// A pair of the grouping key, as a part of a path. A slash and nothing at all cannot be written plainly.
fn part(name: &str, value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    if value.is_empty() {
        return format!("/{name}@base64/=");
    }
    // A part that is nothing but dots means something else to those who tidy paths.
    if value.contains('/') || value.bytes().all(|byte| byte == b'.') {
        return format!("/{name}@base64/{}", URL_SAFE.encode(value));
    }
    let mut text = format!("/{name}/");
    for byte in value.bytes() {
        if plain(byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

impl Encoder for Pushgateway {
    fn encode(&mut self, snapshot: &Snapshot, occasion: Occasion) -> Vec<Payload> {
        // No timestamps: the gateway refuses a text that has one.
        let mut page = Page::new(Format::Classic);
        snapshot.each(|figures| {
            if fits(figures.family, occasion) {
                page.write(&figures);
            }
        });
        vec![Payload::Http(HttpPayload {
            method: "PUT",
            url: self.url.clone(),
            headers: self.headers.clone(),
            body: page.finish().into_bytes(),
            accept: Accept::Status,
            retry: Retry::Usual,
            tls: None,
            timeout: self.timeout,
        })]
    }

    fn keeping(&self) -> Keeping {
        Keeping::Newest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_a_path_cannot_hold_are_encoded() {
        for (value, written) in [
            ("nightly", "/job/nightly"),
            ("a b?é", "/job/a%20b%3F%C3%A9"),
            ("a/b", "/job@base64/YS9i"),
            ("..", "/job@base64/Li4="),
            ("", "/job@base64/="),
        ] {
            assert_eq!(part("job", value), written);
        }
        let url = |text: &str| grouped(text.parse().unwrap(), "/metrics/job/x");
        assert_eq!(url("http://h:9091"), "http://h:9091/metrics/job/x");
        assert_eq!(url("http://h/under/?key=v#f"), "http://h/under/metrics/job/x?key=v");
        assert!(is_name("env_2") && !is_name("2") && !is_name("a-b") && !is_name("") && !is_name("__x"));
    }
}
