//! A target as its file has it, for those who show it before anything is resolved, and the hash that tells whether it
//! is still what somebody agreed to.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use super::{DraftEndpoint, Inherit, Pin, TargetDraft, TransportChoice};
use crate::config::{Environment, Key, Part, Text, Unset};
use crate::plan::target;

/// What a target says, its variables unresolved. What it does not say is empty.
#[derive(Clone, Copy, Debug)]
pub struct AsWritten<'a> {
    /// Its URL.
    pub url: Option<&'a Text>,
    /// The program that is the server, with its arguments.
    pub command: &'a [Text],
    /// The program that is started beside a URL.
    pub start: &'a [Text],
    /// The program that `watch` restarts it with.
    pub restart: &'a [Text],
    /// Headers of every request.
    pub headers: &'a [(Key, Text)],
    /// The token of `Authorization: Bearer`.
    pub bearer: Option<&'a Text>,
    /// Variables for the child.
    pub env: &'a [(Key, Text)],
    /// The file with more variables for the child.
    pub env_file: Option<&'a Text>,
    /// The child's folder.
    pub cwd: Option<&'a Text>,
    /// Certificates to trust, our certificate, its key.
    pub tls: [Option<&'a Text>; 3],
    /// Whether certificates go unchecked.
    pub insecure: bool,
    /// What of the environment the child gets.
    pub inherit_env: &'a Inherit,
    /// Which HTTP transport.
    pub transport: TransportChoice,
    /// Which protocol.
    pub protocol: Pin,
    /// Its labels.
    pub labels: &'a BTreeMap<String, String>,
}

/// A variable that a target reads and that is not set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnsetVariable {
    /// Its name.
    pub name: String,
    /// What stands in its place.
    pub becomes: Becomes,
}

/// What stands in the place of a variable that is not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Becomes {
    /// Nothing can: the target cannot be used.
    Mistake,
    /// The empty text.
    Empty,
    /// The text as it was written.
    AsWritten,
}

impl AsWritten<'_> {
    /// Every text in it, in a fixed order.
    pub fn texts(&self) -> impl Iterator<Item = &Text> {
        let [ca, cert, key] = self.tls;
        self.url
            .into_iter()
            .chain(self.command)
            .chain(self.start)
            .chain(self.headers.iter().map(|(_, text)| text))
            .chain(self.bearer)
            .chain(self.env.iter().map(|(_, text)| text))
            .chain(self.env_file)
            .chain(self.cwd)
            .chain([ca, cert, key].into_iter().flatten())
    }
}

impl TargetDraft {
    /// What it says.
    #[must_use]
    pub fn as_written(&self) -> AsWritten<'_> {
        let (url, command): (_, &[Text]) = match &self.endpoint {
            Some(DraftEndpoint::Url(url)) => (Some(url), &[]),
            Some(DraftEndpoint::Command(argv)) => (None, argv),
            None => (None, &[]),
        };
        AsWritten {
            url,
            command,
            start: self.start.as_deref().unwrap_or_default(),
            restart: self.restart.as_deref().unwrap_or_default(),
            headers: &self.headers,
            bearer: self.bearer.as_ref(),
            env: &self.env,
            env_file: self.env_file.as_ref(),
            cwd: self.cwd.as_ref(),
            tls: [self.tls[0].as_ref(), self.tls[1].as_ref(), self.tls[2].as_ref()],
            insecure: self.insecure,
            inherit_env: &self.inherit_env,
            transport: self.transport,
            protocol: self.protocol,
            labels: &self.labels,
        }
    }

    /// The client in whose file it stands; none for a probe file.
    #[must_use]
    pub fn client(&self) -> Option<&'static str> {
        self.client
    }

    /// Whether it starts a program (other than our own demo server) or sends something of this machine.
    #[must_use]
    pub fn acts(&self) -> bool {
        let said = self.as_written();
        let starts = |argv: &[Text]| {
            // A variable may stand for any word, and what a file of variables holds may change before it is read.
            let words: Option<Vec<&str>> = argv.iter().map(Text::literal).collect();
            let env_is_empty = self.env.is_empty() && self.env_file.is_none();
            !argv.is_empty() && !words.is_some_and(|words| target::is_demo(&words, env_is_empty))
        };
        starts(said.command) || starts(said.start) || self.sends_machine()
    }

    /// Whether a variable or a file of this machine goes into its URL, its headers or its TLS handshake. A socket is a
    /// file, and what listens there takes anybody on this machine for a friend.
    pub(super) fn sends_machine(&self) -> bool {
        let said = self.as_written();
        let mut sent = said.url.into_iter().chain(said.bearer).chain(said.headers.iter().map(|(_, text)| text));
        let is_socket = said.url.is_some_and(|url| url.written().starts_with("unix:"));
        is_socket || said.tls[1].is_some() || self.sends_facts || sent.any(Text::reads_machine)
    }

    /// The variables that it reads and that are not set, each once. No value is looked at.
    #[must_use]
    pub fn unset(&self, environment: &dyn Environment) -> Vec<UnsetVariable> {
        let mut unset: Vec<UnsetVariable> = Vec::new();
        let texts = self.as_written();
        for part in texts.texts().flat_map(Text::parts) {
            let (name, becomes, empty_is_unset) = match part {
                Part::Variable { name, default: None } => (name, Becomes::Mistake, false),
                Part::Foreign { name, unset, empty_is_unset, .. } => match unset {
                    Unset::Mistake => (name, Becomes::Mistake, *empty_is_unset),
                    Unset::Empty => (name, Becomes::Empty, *empty_is_unset),
                    Unset::AsWritten => (name, Becomes::AsWritten, *empty_is_unset),
                    Unset::Default(_) => continue,
                },
                _ => continue,
            };
            let is_set = environment.variable(name).is_some_and(|value| !(empty_is_unset && value.is_empty()));
            match unset.iter_mut().find(|have| have.name == *name) {
                // What keeps it from being probed outweighs what does not.
                Some(have) if becomes == Becomes::Mistake => have.becomes = becomes,
                None if !is_set => unset.push(UnsetVariable { name: name.clone(), becomes }),
                _ => {}
            }
        }
        unset
    }

    /// The hash of what a consent covers. Of a probe file that is the whole file, because its probes say what is done
    /// with the target. The file of another program changes all the time for reasons of its own: there it is the entry,
    /// with everything that was read into it from elsewhere.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        let mut add = |text: &str| {
            // With its length before it, no text can pretend to be two.
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text.as_bytes());
        };
        add(&self.name);
        add(self.client.unwrap_or_default());
        add(if self.client.is_none() { &self.place.source.text } else { "" });
        add(&self.written);
        let said = self.as_written();
        for text in said.texts() {
            add(&text.written());
            text.variables().for_each(&mut add);
        }
        for (key, _) in said.headers.iter().chain(said.env) {
            add(&key.name);
        }
        let counts = [said.command.len(), said.start.len(), said.headers.len(), said.env.len()];
        add(&format!(
            "{counts:?} {} {} {:?} {:?}",
            said.url.is_some(),
            said.env_file.is_some(),
            said.transport,
            said.tls.map(|file| file.is_some())
        ));
        hash.finalize().into()
    }
}
