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
