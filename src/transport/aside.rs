//! Messages over HTTP whose acknowledgement nobody waits for: answers to the server, cancellations. Each is an exchange of
//! its own from the first moment, so that one which has to connect is sent all the same, and each has an end in time: a
//! server that asks without end, and takes no answer, gets no more than a few connections.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::time::timeout;

use super::http::{Ask, Client, Waiting};
use super::ongoing::{ONE_WAYS_MAX, Ongoing, Teller};
use super::{Fault, Intent, Key};
use crate::base::duration;
use crate::event::{Finding, Reason, Severity};

/// How long one may take, from connecting to the end of what the server says to it.
const ASIDE_MAX: Duration = Duration::from_secs(if cfg!(test) { 2 } else { 30 });

/// Sends one and waits until it is written. Whoever stops waiting does not stop it.
pub(super) async fn send<F>(
    ongoing: &mut Ongoing,
    client: &Arc<Client>,
    key: Key,
    ask: Ask,
    hear: impl FnOnce(Waiting, Teller) -> F + Send + 'static,
) -> Result<Instant, Fault>
where
    F: Future<Output = ()> + Send,
{
    ongoing.aside_room().await;
    let (tell, told) = oneshot::channel();
    let own = Arc::clone(client);
    let gave_up = ongoing.begin(Some((key, Intent::Aside)), |teller| async move {
        let work = async {
            match own.start(ask).await {
                Ok((sent, waiting)) => {
                    let _ = tell.send(Ok(sent));
                    hear(waiting, teller).await;
                }
                Err(fault) => drop(tell.send(Err(fault))),
            }
        };
        if timeout(ASIDE_MAX, work).await.is_err() {
            own.notice(unacknowledged(format!("none came within {}", duration::written(ASIDE_MAX))));
        }
    });
    if gave_up {
        client.notice(unacknowledged(format!("none came for {ONE_WAYS_MAX} at a time; the oldest was given up")));
    }
    let given_up = || Fault::new(Reason::Closed, "it was given up before it was written");
    ongoing.during(told).await.unwrap_or_else(|_| Err(given_up()))
}

fn unacknowledged(actual: String) -> Finding {
    let expected = "an acknowledgement (HTTP 202) of each answer and notification that the client posts";
    Finding::new("http.unacknowledged", Severity::Warning, expected, actual)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use bytes::Bytes;
    use futures_util::FutureExt as _;

    use super::*;
    use crate::event::TransportKind;
    use crate::transport::http::fixture::{Conn, Server, open_with, request, settings};
    use crate::transport::{Link, Outgoing};

    /// Connections that are open, and the most that were.
    type Open = Arc<Mutex<(usize, usize)>>;

    /// A server that never acknowledges what is posted.
    async fn deaf() -> (Server, Open) {
        let open = Open::default();
        let counted = Arc::clone(&open);
        let server = Server::plain(move |_, mut conn: Conn| {
            let open = Arc::clone(&counted);
            async move {
                {
                    let mut open = open.lock().unwrap();
                    open.0 += 1;
                    open.1 = open.1.max(open.0);
                }
                if conn.request().await.is_some_and(|seen| seen.starts_with("GET")) {
                    let stream = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
                    conn.write(format!("{stream}event: endpoint\ndata: /post\n\n")).await;
                }
                conn.gone().await;
                open.lock().unwrap().0 -= 1;
            }
        })
        .await;
        (server, open)
    }

    fn aside(key: Key) -> Outgoing {
        let body = Bytes::from(format!(r#"{{"jsonrpc":"2.0","id":"ping {key}","result":{{}}}}"#));
        Outgoing { intent: Intent::Aside, body, ..request(key) }
    }

    async fn open(server: &Server, transport: TransportKind) -> Box<dyn Link> {
        open_with(&settings(&server.url()), transport).await.unwrap()
    }

    #[tokio::test]
    async fn of_messages_that_are_never_acknowledged_few_are_under_way() {
        for transport in [TransportKind::StreamableHttp, TransportKind::Sse] {
            let (server, count) = deaf().await;
            let mut link = open(&server, transport).await;
            for key in 1..=200 {
                link.send(aside(key)).await.unwrap();
            }
            let (_, most) = *count.lock().unwrap();
            // Some that were let go of may not have been seen to close yet.
            assert!(most < 40, "{transport:?}: {most} connections at once");
            let findings = link.findings();
            assert!(
                matches!(&findings[..], [one] if one.id == "http.unacknowledged" && one.actual.contains("16 at a time")),
                "{findings:?}"
            );
            let seen = || server.seen().iter().filter(|seen| seen.starts_with("POST")).count();
            let all = timeout(Duration::from_secs(20), async {
                while seen() < 200 {
                    tokio::task::yield_now().await;
                }
            });
            all.await.expect("each of them was written, and the last ones too");
        }
    }

    #[tokio::test]
    async fn a_server_that_acknowledges_each_in_its_time_gets_all_of_them() {
        for transport in [TransportKind::StreamableHttp, TransportKind::Sse] {
            let server = Server::plain(|_, mut conn: Conn| async move {
                while let Some(seen) = conn.request().await {
                    if seen.starts_with("GET") {
                        let stream = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
                        conn.write(format!("{stream}event: endpoint\ndata: /post\n\n")).await;
                        conn.gone().await;
                        return;
                    }
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    conn.write("HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n").await;
                }
            })
            .await;
            let mut link = open(&server, transport).await;
            for key in 1..=200 {
                link.send(aside(key)).await.unwrap();
            }
            assert_eq!(link.findings(), [], "{transport:?}: nothing that it did not acknowledge");
            let seen = server.seen().iter().filter(|seen| seen.starts_with("POST")).count();
            assert!(seen >= 200 - ONE_WAYS_MAX, "{transport:?}: {seen}");
        }
    }

    #[tokio::test]
    async fn one_whose_sender_waits_no_longer_is_sent_all_the_same() {
        for transport in [TransportKind::StreamableHttp, TransportKind::Sse] {
            let (server, _) = deaf().await;
            let mut link = open(&server, transport).await;
            for key in 1..=3 {
                assert!(link.send(aside(key)).now_or_never().is_none(), "it has to connect");
            }
            let seen = || server.seen().iter().filter(|seen| seen.contains("\"ping ")).count();
            let all = async {
                while seen() < 3 {
                    tokio::select! {
                        biased;
                        heard = link.recv() => panic!("{heard:?}"),
                        () = tokio::task::yield_now() => {}
                    }
                }
            };
            timeout(Duration::from_secs(20), all).await.expect("all are sent");
        }
    }

    #[tokio::test]
    async fn one_that_is_never_acknowledged_has_an_end() {
        let (server, count) = deaf().await;
        let mut link = open(&server, TransportKind::StreamableHttp).await;
        link.send(aside(1)).await.unwrap();
        assert!(!link.is_still());
        assert!(timeout(ASIDE_MAX * 2, link.recv()).await.is_err());
        assert!(link.is_still());
        assert!(link.findings().iter().any(|one| one.actual == "none came within 2s"), "{:?}", link.findings());
        while count.lock().unwrap().0 > 0 {
            tokio::task::yield_now().await;
        }
    }
}
