//! What Linux tells about processes, read straight from `/proc`, one small file at a time. Elsewhere there is no
//! such table: everything is absent or empty, and callers fall back on the process group.

use std::fs;
use std::io::Read;
use std::time::Duration;

/// No more processes than these are followed for one child.
pub const PROCESSES_MAX: usize = 4096;

/// One process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its id.
    pub pid: i32,
    /// Its name, raw, at most 15 bytes.
    pub name: String,
    /// Whether it has ended and waits to be reaped.
    pub ended: bool,
    /// Its parent.
    pub parent: i32,
    /// Its process group.
    pub group: i32,
    /// Its session.
    pub session: i32,
    /// When it started, in ticks since boot; with the id it names a process for good.
    pub started: u64,
}

/// One process, if it is there. Source: `proc_pid_stat(5)`.
#[must_use]
pub fn entry(pid: i32) -> Option<Entry> {
    let mut room = [0; 1024];
    parse(pid, &String::from_utf8_lossy(first_bytes(&format!("/proc/{pid}/stat"), &mut room)?))
}

/// The beginning of a file of the kernel, in one read: such files are made anew for each.
fn first_bytes<'a>(path: &str, room: &'a mut [u8]) -> Option<&'a [u8]> {
    let read = fs::File::open(path).ok()?.read(room).ok()?;
    Some(&room[..read])
}

fn parse(pid: i32, stat: &str) -> Option<Entry> {
    // The name may hold blanks and parentheses: the last one ends it.
    let (head, rest) = stat.rsplit_once(')')?;
    let (_, name) = head.split_once('(')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse().ok();
    Some(Entry {
        pid,
        name: name.to_owned(),
        ended: matches!(*fields.first()?, "Z" | "X"),
        parent: number(1)?,
        group: number(2)?,
        session: number(3)?,
        started: fields.get(19)?.parse().ok()?,
    })
}

/// The children of a process, of all its threads.
#[must_use]
pub fn children(pid: i32) -> Vec<i32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let mut children = Vec::new();
    let mut listed = false;
    for thread in threads.flatten() {
        if let Ok(list) = fs::read_to_string(thread.path().join("children")) {
            listed = true;
            children.extend(list.split_ascii_whitespace().filter_map(|pid| pid.parse::<i32>().ok()));
        }
    }
    if !listed && fs::exists("/proc/self/stat").unwrap_or(false) {
        // A kernel without that list.
        children = all().into_iter().filter(|&other| entry(other).is_some_and(|entry| entry.parent == pid)).collect();
    }
    children
}

/// Everything below a process, parents first.
#[must_use]
pub fn descendants(pid: i32) -> Vec<i32> {
    let mut found = children(pid);
    let mut at = 0;
    while at < found.len() && found.len() < PROCESSES_MAX {
        for child in children(found[at]) {
            if !found.contains(&child) {
                found.push(child);
            }
        }
        at += 1;
    }
    found
}

/// Every process of the system.
#[must_use]
pub fn all() -> Vec<i32> {
    let Ok(folder) = fs::read_dir("/proc") else { return Vec::new() };
    folder.flatten().filter_map(|item| item.file_name().to_str()?.parse().ok()).collect()
}

/// The value of a variable in the environment with which a process was started.
#[must_use]
pub fn variable(pid: i32, name: &str) -> Option<String> {
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    environment.split(|&byte| byte == 0).find_map(|item| {
        let value = item.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        String::from_utf8(value.to_vec()).ok()
    })
}

/// The most memory that a living process has had resident, in bytes.
#[must_use]
pub fn resident_peak(pid: i32) -> Option<u64> {
    kibibytes(pid, "VmHWM:")
}

/// The memory that a living process has resident now, in bytes.
#[must_use]
pub fn resident(pid: i32) -> Option<u64> {
    kibibytes(pid, "VmRSS:")
}

fn kibibytes(pid: i32, key: &str) -> Option<u64> {
    let mut room = [0; 4096];
    let status = first_bytes(&format!("/proc/{pid}/status"), &mut room)?;
    let line = String::from_utf8_lossy(status);
    let line = line.lines().find_map(|line| line.strip_prefix(key))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    Some(kibibytes * 1024)
}

/// The processor time that the living threads of a process have used, in nanoseconds' resolution; two samples give
/// what a call cost. Absent where the kernel does not tell.
#[must_use]
pub fn cpu_time(pid: i32) -> Option<Duration> {
    let mut total = None;
    for thread in fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten() {
        let Ok(schedstat) = fs::read_to_string(thread.path().join("schedstat")) else { continue };
        if let Some(nanos) = schedstat.split_ascii_whitespace().next().and_then(|text| text.parse().ok()) {
            total = Some(total.unwrap_or_default() + Duration::from_nanos(nanos));
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_hold_anything() {
        let line = "7 (a) (b c) S 3 7 2 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 9876 100 2";
        let entry = parse(7, line).unwrap();
        assert_eq!((entry.name.as_str(), entry.parent, entry.group, entry.session), ("a) (b c", 3, 7, 2));
        assert_eq!((entry.started, entry.ended), (9876, false));
        assert!(parse(7, "7 (x) Z 1 1 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 5").unwrap().ended);
        assert_eq!(parse(7, "7 (x"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn we_find_ourselves() {
        let me = i32::try_from(std::process::id()).unwrap();
        let entry = entry(me).unwrap();
        assert!(!entry.ended && entry.started > 0);
        assert!(resident_peak(me).unwrap() > 100 * 1024);
        assert!(cpu_time(me).unwrap() > Duration::ZERO);
        assert!(children(entry.parent).contains(&me));
        assert!(all().contains(&me));
        assert_eq!(variable(me, "PATH"), std::env::var("PATH").ok());
    }
}
