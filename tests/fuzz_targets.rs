//! The fuzz targets with seeded inputs: pieces of what servers and people write, put together and damaged at random.
//! The seed is fixed, so a failure comes again.

#[path = "../fuzz/targets.rs"]
mod targets;

use fastrand::Rng;

const WIRE: &[&[u8]] = &[
    br#"{"jsonrpc":"2.0","id":1,"result":{"tools":[]}}"#,
    br#"{"jsonrpc":"2.0","id":"a","method":"ping"}"#,
    br#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info"}}"#,
    br#"{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"no"}}"#,
    br#"[{"jsonrpc":"2.0","id":1,"result":{}},{"jsonrpc":"2.0","method":"x"}]"#,
    b"\n",
    b"\r\n",
    b"\r",
    b"\n\n",
    b"data: ",
    b"data:",
    b"event: message\n",
    b"id: 7\n",
    b"id: \0\n",
    b"retry: 10\n",
    b": comment\n",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\0",
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b"\\u0000",
    b"1e999",
    b"-0",
    b"99999999999999999999",
    b"[[[[[[[[[[[[[[[[",
    b"\xf0\x9f\x98\x80",
    b" ",
];

/// Pieces put together, some bytes changed, behind two bytes of choice.
fn damaged(random: &mut Rng, pieces: &[&[u8]], most: usize) -> Vec<u8> {
    let mut input = vec![random.u8(..), random.u8(..)];
    for _ in 0..random.usize(0..most) {
        input.extend_from_slice(pieces[random.usize(0..pieces.len())]);
    }
    for _ in 0..random.usize(0..4) {
        let at = random.usize(0..input.len());
        match random.u8(0..3) {
            0 => input[at] = random.u8(..),
            1 => input.insert(at, random.u8(..)),
            _ => drop(input.remove(at)),
        }
        if input.is_empty() {
            break;
        }
    }
    input
}

fn rounds(seed: u64, count: u32, target: fn(&[u8]), pieces: &[&[u8]], from: usize) {
    let mut random = Rng::with_seed(seed);
    for round in 0..count {
        let input = damaged(&mut random, pieces, 24);
        let input = input.get(from..).unwrap_or_default();
        let told = std::panic::catch_unwind(|| target(input));
        assert!(told.is_ok(), "round {round} of seed {seed}: {:?}", String::from_utf8_lossy(input));
    }
}

#[test]
fn lines() {
    rounds(1, 20_000, targets::lines, WIRE, 0);
}

#[test]
fn events() {
    rounds(2, 20_000, targets::events, WIRE, 0);
}

#[test]
fn messages() {
    rounds(3, 30_000, targets::message, WIRE, 2);
    // Depth and size are bounded by themselves, not by luck.
    targets::message("[".repeat(200_000).as_bytes());
    targets::message(format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}", "{\"a\":".repeat(100_000)).as_bytes());
}

#[test]
fn schemas_and_paths() {
    const PIECES: &[&[u8]] = &[
        b"{\"$ref\":\"#\"}\n",
        b"{\"allOf\":[{\"$ref\":\"#/$defs/a\"}],\"$defs\":{\"a\":{\"anyOf\":[{\"$ref\":\"#\"},{\"type\":\"null\"}]}}}\n",
        b"{\"patternProperties\":{\"^(?=a)\":{\"pattern\":\"(a+)+$\"}},\"unevaluatedProperties\":false}\n",
        b"{\"$schema\":\"http://json-schema.org/draft-04/schema#\",\"not\":{\"$ref\":\"#\"}}\n",
        b"{\"items\":{\"$dynamicRef\":\"#x\"},\"$dynamicAnchor\":\"x\",\"contains\":{\"minLength\":2}}\n",
        b"$.a[?@.b == 1 && (@.c || !@.d)]['x\\u00e9'][-1:0:2]..*\n",
        b"$[?match(@.a, 'x.*')][?length(@) > 2]\n",
        b"[[{\"a\":{\"b\":1}},\"aaaaaaaaaaaaaaaa!\",null,1.0]]\n",
        b"{\"a\":[{\"b\":1,\"c\":[]}],\"x\":-0.0}\n",
        b"[",
        b"(",
        b"\n",
    ];
    rounds(5, 2_000, targets::schema, PIECES, 2);
}

#[test]
fn plans() {
    let mut seeds = Vec::new();
    for folder in ["tests/bad_plans", "probes"] {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                seeds.push(std::fs::read(path).unwrap());
            }
        }
    }
    seeds.sort();
    assert!(seeds.len() > 50);
    let mut pieces: Vec<&[u8]> = seeds.iter().flat_map(|seed| seed.split_inclusive(|byte| *byte == b'\n')).collect();
    pieces.extend(WIRE);
    rounds(4, 3_000, targets::plan, &pieces, 2);
}

/// A value of any kind, with the keys and words of clients; TOML has its own sign between key and value, and no null.
fn value(random: &mut Rng, words: &[&str], depth: usize, toml: bool) -> String {
    let word = |random: &mut Rng| words[random.usize(0..words.len())].to_owned();
    match random.u8(0..if depth == 0 { 5 } else { 9 }) {
        0 => format!("\"{}\"", word(random)),
        1 => format!("\"{}{}\"", word(random), word(random)),
        2 => ["0", "-1", "1e300", "3", "0.5", "9223372036854775807"][random.usize(0..6)].to_owned(),
        3 => ["true", "false"][random.usize(0..2)].to_owned(),
        4 => if toml { "\"\"" } else { "null" }.to_owned(),
        5 | 6 => {
            let items: Vec<String> = (0..random.usize(0..4)).map(|_| value(random, words, depth - 1, toml)).collect();
            format!("[{}]", items.join(","))
        }
        _ => table(random, words, depth - 1, toml),
    }
}

fn table(random: &mut Rng, words: &[&str], depth: usize, toml: bool) -> String {
    let mut keys: Vec<&str> = (0..random.usize(0..7)).map(|_| words[random.usize(0..words.len())]).collect();
    keys.sort_unstable();
    keys.dedup();
    let member = |key: &&str| format!("\"{key}\"{}{}", if toml { "=" } else { ":" }, value(random, words, depth, toml));
    format!("{{{}}}", keys.iter().map(member).collect::<Vec<_>>().join(","))
}

/// What clients write as values.
const CLIENT_WORDS: &[&str] = &[
    "x",
    "http://h/",
    "unix:///a#b",
    "stdio",
    "http",
    "sse",
    "streamable-http",
    "local",
    "remote",
    "npm",
    "oci",
    "positional",
    "named",
    "legacy",
    "${A}",
    "${env:A}",
    "${input:a}",
    "$A",
    "{env:A}",
    "{file:a}",
    "$${A}",
    "${A:-b}",
    "{a}",
    "a b",
    "-y",
    "env",
    "exec",
    "oauth",
    "é\\u001b[2J",
    "\\u0000",
];

/// What stands under keys that no reader asks an entry for.
const CLIENT_KEYS: &[&str] = &[
    "mcp",
    "mcpServers",
    "servers",
    "projects",
    "allowed",
    "excluded",
    "serverCommand",
    "source",
    "id",
    "name",
    "value",
    "default",
    "isRequired",
    "variables",
    "startup",
    "commmand",
    "bearer_token",
    "$include",
    "packages",
    "remotes",
    "url",
    "type",
];

#[test]
fn client_files() {
    let own = mcp_probe::files::clients::CLIENTS.iter().flat_map(|client| client.keys.iter().copied());
    let words: Vec<&str> = CLIENT_WORDS.iter().chain(CLIENT_KEYS).copied().chain(own).collect();
    let mut random = Rng::with_seed(5);
    for round in 0..6_000_u32 {
        let toml = round % 4 == 3;
        let entries: Vec<String> = (0..random.usize(0..4))
            .map(|at| format!("\"e{at}\"{}{}", if toml { "=" } else { ":" }, value(&mut random, &words, 4, toml)))
            .collect();
        let servers = entries.join(",");
        let body = match (round % 7, toml) {
            (_, true) => format!("mcp_servers={{{servers}}}"),
            (0, _) => format!("{{\"servers\":{{{servers}}}}}"),
            (1, _) => format!("{{\"mcp\":{{\"servers\":{{{servers}}}}}}}"),
            (2, _) => format!("{{\"mcp\":{{{servers}}}}}"),
            (3, _) => {
                let list: Vec<String> = (0..3).map(|_| table(&mut random, &words, 4, false)).collect();
                format!("{{\"name\":\"a/b\",\"packages\":[{0}],\"remotes\":[{0}]}}", list.join(","))
            }
            (4, _) => table(&mut random, &words, 4, false),
            _ => format!("{{\"mcpServers\":{{{servers}}}}}"),
        };
        let mut input = vec![u8::from(toml) + 2 * random.u8(0..2)];
        input.extend_from_slice(body.as_bytes());
        if random.bool() {
            let at = random.usize(1..input.len());
            input[at] = random.u8(..);
        }
        let told = std::panic::catch_unwind(|| targets::clients(&input));
        assert!(told.is_ok(), "round {round}: {:?}", String::from_utf8_lossy(&input));
    }
    targets::clients(format!("\0{}", "[".repeat(200_000)).as_bytes());
    targets::clients(format!("\0{}", "{\"mcpServers\":".repeat(100_000)).as_bytes());
    targets::clients(format!("\u{1}mcp_servers = {}", "[".repeat(100_000)).as_bytes());
}
