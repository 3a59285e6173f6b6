//! What a daemon settles once, when it starts: keys of the files that a reload does not carry out. They are never passed over in
//! silence: log, status and page say that a restart is needed for them.

use crate::files::telling::{LogSettings, Resolved, WatchSettings};

/// Carries out what `[log]` says, as far as that can change while the log is written.
pub type Retune = Box<dyn Fn(&LogSettings) + Send + Sync>;

/// What held at the start.
pub struct Settled {
    watch: WatchSettings,
    log: LogSettings,
}

impl Settled {
    /// Of the first plan.
    #[must_use]
    pub fn of(telling: &Resolved) -> Self {
        Self { watch: telling.watch.clone(), log: telling.log.clone() }
    }

    /// The keys that say something else now. The name of the prober is part of the key under which receivers know an alert,
    /// and the seed is the place of every probe in its interval: both would break what goes on.
    #[must_use]
    pub fn differs(&self, now: &Resolved) -> Vec<&'static str> {
        let (watch, log) = (&now.watch, &now.log);
        let keys = [
            ("[watch] instance", self.watch.instance != watch.instance),
            ("[watch] seed", self.watch.seed != watch.seed),
            ("[log] file", self.log.file != log.file),
            ("[log] wire", self.log.wire != log.wire),
            ("[log] rotate_size", self.log.rotate_size != log.rotate_size),
            ("[log] rotate_every", self.log.rotate_every != log.rotate_every),
            ("[log] retention", self.log.retention != log.retention),
        ];
        keys.into_iter().filter(|(_, is_other)| *is_other).map(|(key, _)| key).collect()
    }
}
