//! Documents beside the endpoint of a server: asked for as a stranger would, and kept as bytes.

use bytes::Bytes;

use super::{Open, Talk, edit};
use crate::audit::{Came, Edit, Item, discovery};
use crate::event::Reason;
use crate::transport::{Fault, LEFT_OUT};

impl Talk<'_> {
    /// A document that lies beside the endpoint, where it may be asked for.
    pub(super) async fn fetch(&mut self, open: &mut Open, url: &str, edits: &[Edit]) {
        open.shot.sent = Bytes::from(url.to_owned());
        open.shot.ended = true;
        let mut headers = vec![("MCP-Protocol-Version".to_owned(), self.manner.revision.version.to_owned())];
        edit(&mut headers, edits);
        headers.retain(|(_, value)| value != LEFT_OUT);
        open.shot.headers.clone_from(&headers);
        let place = self.manner.place;
        let may = place.url.as_deref().map_or(Err("the target has no URL".to_owned()), |target| {
            discovery::may_fetch(target, place.loopback, url)
        });
        if let Err(why) = may {
            open.end(Some(Fault::new(Reason::Cancelled, format!("{url} is not fetched: {why}"))));
            return;
        }
        let fetching = tokio::time::timeout(self.manner.timeout, self.manner.dial.fetch(url, &headers));
        let fault = match self.manner.cancel.run_until_cancelled(fetching).await {
            None => Fault::new(Reason::Cancelled, "interrupted"),
            Some(Err(_)) => Fault::new(Reason::Timeout, format!("{url} did not answer in time")),
            Some(Ok(Err(fault))) => fault,
            Some(Ok(Ok(document))) => {
                open.shot.head = Some(document.head);
                open.shot.came.push(Came { after: open.begun.elapsed(), item: Item::Noise(document.body) });
                open.end(None);
                return;
            }
        };
        open.end(Some(fault));
    }
}
