//! One document of the target's own origin, or of another server that it names: a plain GET that carries nothing of the
//! user's, bounded, with redirects followed within the origin alone.

use std::sync::Arc;
use std::time::Duration;

use http::header::{LOCATION, USER_AGENT};
use http::{HeaderMap, HeaderValue};
use url::Url;

use super::client::Template;
use super::connector::Connector;
use super::{Answer, Ask, Client, Fields, HttpDial, HttpSettings, Pem, ProxyChoice, TlsSettings, bare};
use crate::event::Reason;
use crate::transport::{Document, Fault};

/// A document is no larger than this.
const DOCUMENT_BYTES_MAX: usize = 1 << 20;
/// A redirect is followed this often.
const REDIRECTS_MAX: usize = 3;
/// Connections get so long to end.
const GRACE: Duration = Duration::from_millis(100);

/// The settings of a target that hold for other servers, too.
pub(super) struct Elsewhere {
    ca: Option<Pem>,
    insecure: bool,
    proxy: ProxyChoice,
    user_agent: String,
}

impl Elsewhere {
    pub(super) fn of(settings: &HttpSettings) -> Self {
        Self {
            ca: settings.tls.ca.clone(),
            insecure: settings.tls.insecure,
            proxy: settings.proxy.clone(),
            user_agent: settings.user_agent.clone(),
        }
    }
}

/// Ends the connections of a fetch however it ends.
struct Fetching(Arc<Client>);

impl Drop for Fetching {
    fn drop(&mut self) {
        self.0.tasks.cancel.cancel();
    }
}

impl HttpDial {
    /// The document at a URL.
    pub(super) async fn document(&self, url: &str, headers: &[(String, String)]) -> Result<Document, Fault> {
        let wrong = |why: &dyn std::fmt::Display| Fault::new(Reason::Http, format!("{url} cannot be fetched: {why}"));
        let mut url = Url::parse(url).map_err(|error| wrong(&error))?;
        url.set_fragment(None);
        for _ in 0..REDIRECTS_MAX {
            let client = Fetching(self.client_for(&url)?);
            let document = get(&client.0, &url, headers).await?;
            client.0.close(GRACE).await;
            match moved(&url, &document) {
                Some(next) => url = next,
                None => return Ok(document),
            }
        }
        Err(wrong(&format!("it was redirected {REDIRECTS_MAX} times")))
    }

    fn client_for(&self, url: &Url) -> Result<Arc<Client>, Fault> {
        let client = |template: &Template, connector: &Arc<Connector>| {
            let template = Template {
                url: Arc::new(url.clone()),
                authority: template.authority.clone(),
                headers: introduced(&self.elsewhere.user_agent),
                asks_gzip: false,
                body_bytes_max: DOCUMENT_BYTES_MAX,
            };
            Client::new(Arc::new(template), Arc::clone(connector), Vec::new())
        };
        if url.origin() == self.template.url.origin() {
            return Ok(client(&self.template, &self.connector));
        }
        let settings = HttpSettings {
            tls: TlsSettings {
                ca: self.elsewhere.ca.clone(),
                insecure: self.elsewhere.insecure,
                ..TlsSettings::default()
            },
            proxy: self.elsewhere.proxy.clone(),
            ..HttpSettings::new(url.clone())
        };
        let other = Self::new(&settings).map_err(|why| Fault::new(Reason::Http, why.to_string()))?;
        Ok(client(&other.template, &other.connector))
    }
}

async fn get(client: &Arc<Client>, url: &Url, more: &[(String, String)]) -> Result<Document, Fault> {
    let mut fields = Fields::with_room(more.len() + 1);
    fields.set("Accept", "application/json")?;
    for (name, value) in more {
        fields.set(name.clone(), value.clone())?;
    }
    let (_, waiting) = client.start(Ask::get(Arc::new(url.clone()), fields)).await?;
    let Answer { head, mut body, .. } = waiting.answer().await?;
    let body = body.whole().await?;
    Ok(Document { head, body })
}

/// How mcp-probe introduces itself, and nothing else.
fn introduced(user_agent: &str) -> HeaderMap {
    let value = HeaderValue::from_str(user_agent).ok();
    value.map(|value| (USER_AGENT, value)).into_iter().collect()
}

/// Where a redirect within the origin leads.
fn moved(url: &Url, document: &Document) -> Option<Url> {
    if !matches!(document.head.status, 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let target = url.join(document.head.header(LOCATION.as_str())?).ok()?;
    (target.origin() == url.origin() && bare(&target) != bare(url)).then_some(target)
}
