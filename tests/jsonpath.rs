//! JSONPath as RFC 9535 has it, section by section, through the function that reads the paths of `expect.json` and
//! `save`: what each path finds, which paths name one value, and what is no path.

#![allow(clippy::unwrap_used, clippy::panic, clippy::too_many_lines, reason = "tables that fail by panicking")]

use mcp_probe::check::path::Path;
use serde_json::{Value, json};

/// Paths that name one value at most, with that value; `None` where nothing is there.
fn names(document: &Value, rows: &[(&str, Option<Value>)]) {
    for (path, expected) in rows {
        let parsed = Path::parse(path).unwrap_or_else(|why| panic!("{why}"));
        let found = parsed.find(document).map(std::borrow::Cow::into_owned);
        assert_eq!(&found, expected, "{path} in {document}");
    }
}

/// Paths that match any number of values: the array of them.
fn matches(document: &Value, rows: &[(&str, Value)]) {
    for (path, expected) in rows {
        let parsed = Path::parse(path).unwrap_or_else(|why| panic!("{why}"));
        let found = parsed.find(document).map(std::borrow::Cow::into_owned);
        let expected = Some(expected.clone()).filter(|all| all != &json!([]));
        assert_eq!(found, expected, "{path} in {document}");
    }
}

fn refused(paths: &[&str]) {
    for path in paths {
        assert!(Path::parse(path).is_err(), "{path:?} is no path");
    }
}

fn bookshop() -> Value {
    json!({"shop": {
        "novel": [
            {"kind": "old", "by": "Rees", "title": "Sayings", "price": 8.95},
            {"kind": "new", "by": "Waugh", "title": "Honour", "price": 12.99},
            {"kind": "new", "by": "Melville", "title": "Whale", "isbn": "0-553", "price": 8.99},
            {"kind": "new", "by": "Tolkien", "title": "Rings", "isbn": "0-395", "price": 22.99}
        ],
        "bike": {"colour": "red", "price": 399}
    }})
}

#[test]
fn section_1_5_the_overview() {
    matches(
        &bookshop(),
        &[
            ("$.shop.novel[*].by", json!(["Rees", "Waugh", "Melville", "Tolkien"])),
            ("$..by", json!(["Rees", "Waugh", "Melville", "Tolkien"])),
            ("$..price", json!([8.95, 12.99, 8.99, 22.99, 399])),
            ("$..novel[2].by", json!(["Melville"])),
            ("$..novel[2].publisher", json!([])),
            ("$..novel[-1].by", json!(["Tolkien"])),
            ("$..novel[0,1].by", json!(["Rees", "Waugh"])),
            ("$..novel[:2].by", json!(["Rees", "Waugh"])),
            ("$..novel[?@.isbn].by", json!(["Melville", "Tolkien"])),
            ("$..novel[?@.price<10].by", json!(["Rees", "Melville"])),
            ("$.shop.bike.*", json!(["red", 399])),
        ],
    );
    let all = Path::parse("$..*").unwrap();
    assert_eq!(all.find(&bookshop()).unwrap().as_array().unwrap().len(), 27);
}

#[test]
fn section_2_1_and_2_2_the_root_and_blank_space() {
    names(
        &json!({"k": {"j": 1}}),
        &[
            ("$", Some(json!({"k": {"j": 1}}))),
            ("$ .k", Some(json!({"j": 1}))),
            ("$\n.k\t['j']", Some(json!(1))),
            ("$\r[ 'k' ]\n[\t\"j\" ]", Some(json!(1))),
        ],
    );
    refused(&[
        "",
        " $",
        "$ ",
        "$.k ",
        "\u{a0}$",
        "$\u{a0}.k",
        "$. k",
        "$.. k",
        "$$",
        "@",
        "k",
        ".k",
        "$k",
        "$[0]k",
        "$.k]",
    ]);
}

#[test]
fn section_2_3_1_names() {
    let document = json!({"o": {"j j": {"k.k": 3}}, "'": {"@": 2}, "ü": 4, "_1": 5, "☺": 6, "": 7, "a\"b": 8, "\\": 9,
        "\u{1d11e}": 10, "/": 11, "tab\t": 12, "0": 13, "a-b": 14});
    names(
        &document,
        &[
            ("$.o['j j']", Some(json!({"k.k": 3}))),
            ("$.o['j j']['k.k']", Some(json!(3))),
            ("$.o[\"j j\"][\"k.k\"]", Some(json!(3))),
            ("$[\"'\"][\"@\"]", Some(json!(2))),
            ("$['\\'']['@']", Some(json!(2))),
            ("$.ü", Some(json!(4))),
            ("$['\\u00fc']", Some(json!(4))),
            ("$['\\u00FC']", Some(json!(4))),
            ("$._1", Some(json!(5))),
            ("$.☺", Some(json!(6))),
            ("$['']", Some(json!(7))),
            ("$['a\"b']", Some(json!(8))),
            ("$[\"a\\\"b\"]", Some(json!(8))),
            ("$['\\\\']", Some(json!(9))),
            ("$['\\uD834\\uDD1E']", Some(json!(10))),
            ("$['\u{1d11e}']", Some(json!(10))),
            ("$.\u{1d11e}", Some(json!(10))),
            ("$['\\/']", Some(json!(11))),
            ("$['tab\\t']", Some(json!(12))),
            ("$['0']", Some(json!(13))),
            ("$['a-b']", Some(json!(14))),
            ("$['gone']", None),
            ("$.o.o", None),
        ],
    );
    // A name is none of an array, and of nothing else.
    for other in [json!([1]), json!("o"), json!(1), json!(null), json!(true)] {
        names(&other, &[("$.o", None), ("$['0']", None)]);
    }
    refused(&[
        "$.0",
        "$.1a",
        "$.a-b",
        "$.'a'",
        "$.\"a\"",
        "$['a",
        "$['a\"]",
        "$[a]",
        "$['\\x']",
        "$['\\a']",
        "$[\"\\'\"]",
        "$['\\\"']",
        "$['\t']",
        "$['\n']",
        "$['\u{0}']",
        "$['\\u12']",
        "$['\\uD834']",
        "$['\\uDD1E']",
        "$['\\uD834\\u0041']",
        "$['\\U0041']",
        "$.a b",
        "$['a''b']",
        "$['a' 'b']",
        "$.",
        "$[]",
        "$['']'",
        "$.&",
    ]);
}

#[test]
fn section_2_3_2_wildcards() {
    let document = json!({"o": {"j": 1, "k": 2}, "a": [5, 3]});
    matches(
        &document,
        &[
            ("$[*]", json!([{"j": 1, "k": 2}, [5, 3]])),
            ("$.*", json!([{"j": 1, "k": 2}, [5, 3]])),
            ("$.o[*]", json!([1, 2])),
            ("$.o[*, *]", json!([1, 2, 1, 2])),
            ("$.a[*]", json!([5, 3])),
            ("$.a.*.*", json!([])),
        ],
    );
    refused(&["$.**", "$*", "$[**]", "$.[*]"]);
}

#[test]
fn section_2_3_3_indexes() {
    names(
        &json!(["a", "b"]),
        &[
            ("$[0]", Some(json!("a"))),
            ("$[1]", Some(json!("b"))),
            ("$[-2]", Some(json!("a"))),
            ("$[-1]", Some(json!("b"))),
            ("$[2]", None),
            ("$[-3]", None),
            ("$[9007199254740991]", None),
            ("$[-9007199254740991]", None),
        ],
    );
    names(&json!({"0": 1}), &[("$[0]", None)]);
    names(&json!("ab"), &[("$[0]", None)]);
    refused(&[
        "$[-0]",
        "$[01]",
        "$[-01]",
        "$[+1]",
        "$[1.0]",
        "$[1e0]",
        "$[ ]",
        "$[- 1]",
        "$[9007199254740992]",
        "$[-9007199254740992]",
        "$[99999999999999999999]",
        "$[0x1]",
        "$[0 1]",
    ]);
}

#[test]
fn section_2_3_4_slices() {
    let document = json!(["a", "b", "c", "d", "e", "f", "g"]);
    matches(
        &document,
        &[
            ("$[1:3]", json!(["b", "c"])),
            ("$[5:]", json!(["f", "g"])),
            ("$[1:5:2]", json!(["b", "d"])),
            ("$[5:1:-2]", json!(["f", "d"])),
            ("$[::-1]", json!(["g", "f", "e", "d", "c", "b", "a"])),
            ("$[:]", json!(["a", "b", "c", "d", "e", "f", "g"])),
            ("$[::]", json!(["a", "b", "c", "d", "e", "f", "g"])),
            ("$[:2]", json!(["a", "b"])),
            ("$[-2:]", json!(["f", "g"])),
            ("$[:-5]", json!(["a", "b"])),
            ("$[-3:-1]", json!(["e", "f"])),
            ("$[-1:-3:-1]", json!(["g", "f"])),
            ("$[2:2]", json!([])),
            ("$[3:1]", json!([])),
            ("$[1:3:0]", json!([])),
            ("$[1:3:-1]", json!([])),
            ("$[10:20]", json!([])),
            ("$[-99:2]", json!(["a", "b"])),
            ("$[5:99]", json!(["f", "g"])),
            ("$[99:4:-1]", json!(["g", "f"])),
            ("$[::3]", json!(["a", "d", "g"])),
            ("$[1:9007199254740991:3]", json!(["b", "e"])),
            ("$[ 1 : 5 : 2 ]", json!(["b", "d"])),
            ("$[1\n:\t5]", json!(["b", "c", "d", "e"])),
        ],
    );
    matches(&json!({"1": 1}), &[("$[0:2]", json!([]))]);
    refused(&[
        "$[1:2:3:4]",
        "$[01:2]",
        "$[1:-0]",
        "$[a:2]",
        "$[1.0:2]",
        "$[:::]",
        "$[9007199254740992:]",
        "$[::9007199254740992]",
    ]);
}

#[test]
fn section_2_3_5_filters() {
    let document = json!({
        "a": [3, 5, 1, 2, 4, 6, {"b": "j"}, {"b": "k"}, {"b": {}}, {"b": "kilo"}],
        "o": {"p": 1, "q": 2, "r": 3, "s": 5, "t": {"u": 6}},
        "e": "f"
    });
    matches(
        &document,
        &[
            ("$.a[?@.b == 'kilo']", json!([{"b": "kilo"}])),
            ("$.a[?(@.b == 'kilo')]", json!([{"b": "kilo"}])),
            ("$.a[?@>3.5]", json!([5, 4, 6])),
            ("$.a[?@.b]", json!([{"b": "j"}, {"b": "k"}, {"b": {}}, {"b": "kilo"}])),
            ("$[?@.*]", json!([document["a"], document["o"]])),
            ("$[?@[?@.b]]", json!([document["a"]])),
            ("$.o[?@<3, ?@<3]", json!([1, 2, 1, 2])),
            ("$.a[?@<2 || @.b == \"k\"]", json!([1, {"b": "k"}])),
            ("$.a[?match(@.b, \"[jk]\")]", json!([{"b": "j"}, {"b": "k"}])),
            ("$.a[?search(@.b, \"[jk]\")]", json!([{"b": "j"}, {"b": "k"}, {"b": "kilo"}])),
            ("$.o[?@>1 && @<4]", json!([2, 3])),
            ("$.o[?@.u || @.x]", json!([{"u": 6}])),
            ("$.a[?@.b == $.x]", json!([3, 5, 1, 2, 4, 6])),
            ("$.a[?@ == @]", document["a"].clone()),
            ("$.a[?!@.b]", json!([3, 5, 1, 2, 4, 6])),
            ("$.a[?!(@ > 2 || @.b)]", json!([1, 2])),
            ("$.a[? @ == 3 ]", json!([3])),
            ("$.a[?@.b\n==\t'j']", json!([{"b": "j"}])),
            ("$.o[?@ == 1 || @ == 2 && @ == 3]", json!([1])),
            ("$.o[?(@ == 1 || @ == 2) && @ == 2]", json!([2])),
            ("$.a[?@ == 3.0]", json!([3])),
            ("$.a[?@ == 30e-1]", json!([3])),
            ("$.a[?@ == 0.3E+1]", json!([3])),
            ("$.a[?@ == -3]", json!([])),
        ],
    );
    refused(&[
        "$[?]",
        "$[?()]",
        "$[?1]",
        "$[?'a']",
        "$[?true]",
        "$[?null]",
        "$[?@ == ]",
        "$[?== 1]",
        "$[?@ = 1]",
        "$[?@ === 1]",
        "$[?@ <> 1]",
        "$[?@.a == @.*]",
        "$[?@..a == 1]",
        "$[?@[0,1] == 1]",
        "$[?@[0:1] == 1]",
        "$[?@[?@.a] == 1]",
        "$[?@ == {}]",
        "$[?@ == []]",
        "$[?@ == 01]",
        "$[?@ == 1.]",
        "$[?@ == .1]",
        "$[?@ == +1]",
        "$[?@ == 0x1]",
        "$[?@ == nil]",
        "$[?@ == True]",
        "$[?@ & @]",
        "$[?@ && ]",
        "$[?!1]",
        "$[?!@ == 1]",
        "$[?(@.a == 1]",
        "$[?@.a == 1)]",
        "$[?@ == 'a]",
        "$[?1 == 1 == 1]",
        "$[?@.a in $.b]",
        "$[?a]",
        "$?@.a",
        "$.?@.a",
    ]);
}

/// Table 11 of the RFC: what is compared with what.
#[test]
fn section_2_3_5_2_2_comparisons() {
    let document = json!({"obj": {"x": "y"}, "other": {"x": "z"}, "arr": [2, 3]});
    for (comparison, holds) in [
        ("$.absent1 == $.absent2", true),
        ("$.absent1 <= $.absent2", true),
        ("$.absent == 'g'", false),
        ("$.absent1 != $.absent2", false),
        ("$.absent != 'g'", true),
        ("1 <= 2", true),
        ("1 > 2", false),
        ("13 == '13'", false),
        ("'a' <= 'b'", true),
        ("'a' > 'b'", false),
        ("$.obj == $.arr", false),
        ("$.obj != $.arr", true),
        ("$.obj == $.obj", true),
        ("$.obj != $.obj", false),
        ("$.arr == $.arr", true),
        ("$.arr != $.arr", false),
        ("$.obj == 17", false),
        ("$.obj != 17", true),
        ("$.obj <= $.arr", false),
        ("$.obj < $.arr", false),
        ("$.obj <= $.obj", true),
        ("$.arr <= $.arr", true),
        ("1 <= $.arr", false),
        ("1 >= $.arr", false),
        ("1 > $.arr", false),
        ("1 < $.arr", false),
        ("true <= true", true),
        ("true > true", false),
        // Beyond the table: null, letters by their code points, numbers by their values.
        ("null == null", true),
        ("null <= null", true),
        ("null < null", false),
        ("null == $.absent", false),
        ("false < true", false),
        ("'Z' < 'a'", true),
        ("'\\uD834\\uDD1E' > '\\uFFFD'", true),
        ("'' < 'a'", true),
        ("1 == 1.0", true),
        ("-0 == 0", true),
        ("1e2 == 100", true),
        ("$.arr[0] == 2", true),
        ("$.obj['x'] == \"y\"", true),
        ("$.arr[-1] >= 3", true),
        ("$.absent1 >= $.absent2", true),
        ("$.absent1 < $.absent2", false),
        ("$.absent >= 1", false),
        ("true > false", false),
        ("true >= false", false),
        ("false >= false", true),
        ("$.obj > $.other", false),
        ("$.obj >= $.other", false),
        ("$.arr >= $.arr", true),
        ("null >= null", true),
        ("null > false", false),
        ("2 > 1 && 2 >= 2 && 'b' >= 'a'", true),
        ("1 >= 2 || 'a' >= 'b'", false),
        ("!(1 >= 2)", true),
    ] {
        let found =
            Path::parse(&format!("$[?{comparison}]")).unwrap_or_else(|why| panic!("{why}")).find(&document).is_some();
        assert_eq!(found, holds, "{comparison}");
    }
}

#[test]
fn section_2_4_functions() {
    let document = json!([
        {"s": "añb", "a": [1, 2], "o": {"x": 1}, "n": 3, "d": "1974-05-11", "r": "[jk]"},
        {"s": "", "a": [], "o": {}, "n": null, "d": "1974-05-1x", "r": "("},
        {"d": "x1974-05-11"}
    ]);
    let count = |filter: &str| {
        let path = Path::parse(&format!("$[?{filter}]")).unwrap_or_else(|why| panic!("{why}"));
        path.find(&document).map_or(0, |found| found.as_array().unwrap().len())
    };
    for (filter, expected) in [
        // length: characters, items, members; of all else nothing.
        ("length(@.s) == 3", 1),
        ("length(@.s) == 0", 1),
        ("length(@.a) == 2", 1),
        ("length(@.o) == 1", 1),
        ("length(@.n) == 1", 0),
        ("length(@.n) == $.absent", 3),
        ("length('abc') == 3", 3),
        ("length(value(@.a)) == 2", 1),
        // count: nodes.
        ("count(@.*) == 6", 2),
        ("count(@.a[*]) == 2", 1),
        ("count(@.absent) == 0", 3),
        ("count(@..*) > 6", 1),
        // match: the whole text; search: anywhere. Patterns are I-Regexps.
        ("match(@.d, '1974-05-..')", 2),
        ("match(@.d, '1974-05-[0-9]{2}')", 1),
        ("match(@.d, '1974')", 0),
        ("search(@.d, '1974-05-[0-9]{2}')", 2),
        ("search(@.d, '^1974')", 2),
        ("search('j', @.r)", 1),
        ("match(@.n, '.*')", 0),
        ("match('a\\nb', 'a.b')", 0),
        ("match('a\\rb', 'a.b')", 0),
        ("match('ab', 'a|b')", 0),
        ("match('a', 'a|b')", 3),
        ("match('\\uD834\\uDD1E', '.')", 3),
        ("match('ü', '\\\\p{Ll}')", 3),
        ("match('a', '(')", 0),
        ("!match('b', 'a')", 3),
        // value: of one node.
        ("value(@.a[*]) == 1", 0),
        // A negative index is one wherever a path may stand.
        ("@.a[-1] == 2", 1),
        ("@.a[-1] != 2", 2),
        ("1 < @.a[ -1 ]", 1),
        ("$[-1].d == @.d", 1),
        ("@.a[-3] == $.absent", 3),
        ("length($[-3].s) == 3", 3),
        ("count(@.a[-1]) == 1", 1),
        ("value($[-3]['a'][-2]) == 1", 3),
        ("@.a[-1]", 1),
        ("match($[-1]['d'], 'x.*')", 3),
        ("value(@..x) == 1", 1),
        ("value($[*].absent) == $.absent", 3),
    ] {
        assert_eq!(count(filter), expected, "{filter}");
    }
    // Well-typed or no path (section 2.4.3 and 2.4.9).
    for path in [
        "$[?length(@) < 3]",
        "$[?count(@.*) == 1]",
        "$[?match(@.timezone, 'Europe/.*')]",
        "$[?value(@..color) == 'red']",
        "$[?length( @.a , ) == 1]",
    ] {
        assert_eq!(Path::parse(path).is_ok(), !path.contains(", )"), "{path}");
    }
    refused(&[
        "$[?length(@.*) < 3]",
        "$[?count(1) == 1]",
        "$[?count(foo(@.*)) == 1]",
        "$[?match(@.timezone, 'Europe/.*') == true]",
        "$[?value(@..color)]",
        "$[?length(@)]",
        "$[?count(@.*)]",
        "$[?length() == 1]",
        "$[?length(@, @) == 1]",
        "$[?count() == 1]",
        "$[?match(@) ]",
        "$[?match(@, 'a', 'b')]",
        "$[?foo(@)]",
        "$[?Length(@) == 1]",
        "$[?length (@) == 1]",
        "$[?search(@, 'a') == 1]",
        "$[?value(1) == 1]",
        "$[?match(@.*, 'a')]",
        "$length(@)",
    ]);
}

#[test]
fn section_2_5_segments() {
    let document = json!({"o": {"j": 1, "k": 2}, "a": [5, 3, [{"j": 4}, {"k": 6}]]});
    matches(
        &document,
        &[
            ("$..j", json!([1, 4])),
            ("$..[0]", json!([5, {"j": 4}])),
            ("$..['j', 'k']", json!([1, 2, 4, 6])),
            ("$..o", json!([{"j": 1, "k": 2}])),
            ("$.o..[*, *]", json!([1, 2, 1, 2])),
            ("$.a..[0, 1]", json!([5, 3, {"j": 4}, {"k": 6}])),
            ("$..[?@.j]", json!([{"j": 1, "k": 2}, {"j": 4}])),
            ("$..a..j", json!([4])),
            ("$.a[0, 0]", json!([5, 5])),
            ("$['o', 'a'][0]", json!([5])),
            ("$['o','gone','a']", json!([document["o"], document["a"]])),
            ("$.a[0, 0:1, -3]", json!([5, 5, 5])),
            ("$..absent", json!([])),
        ],
    );
    refused(&["$..", "$...j", "$..[ ]", "$.. j", "$..\n", "$[0,]", "$[,0]", "$[0,,1]", "$['a',]"]);
}

#[test]
fn section_2_6_null_is_a_value() {
    let document = json!({"a": null, "b": [null], "c": [{}], "null": 1});
    names(
        &document,
        &[
            ("$.a", Some(Value::Null)),
            ("$.a[0]", None),
            ("$.a.d", None),
            ("$.b[0]", Some(Value::Null)),
            ("$.null", Some(json!(1))),
        ],
    );
    matches(
        &document,
        &[
            ("$.b[*]", json!([null])),
            ("$.b[?@]", json!([null])),
            ("$.b[?@==null]", json!([null])),
            ("$.c[?@.d==null]", json!([])),
        ],
    );
}

/// Section 2.3.5.1: a path of names and single indexes names one value, however it is written. The others match any
/// number of them, also where it is one or none.
#[test]
fn singular_paths_give_a_value_and_all_others_an_array() {
    let document = json!({"a": [[7]], "b c": {"d": [7]}, "é": {"x": 7}, "]": {".": 7}, "'": {"[": 7}, "\\": {"\"": 7}});
    for path in [
        "$.a[0][0]",
        "$.a[-1][-1]",
        "$['a'][0][0]",
        "$[\"a\"] [0] [0]",
        "$ . a",
        "$['b c'].d[0]",
        "$['b c']['d'][-1]",
        "$.é.x",
        "$['é']['x']",
        "$['\\u00e9'].x",
        "$[']']['.']",
        "$[\"]\"][\".\"]",
        "$['\\'']['[']",
        "$[\"'\"][\"[\"]",
        "$['\\\\']['\"']",
        "$[\"\\\\\"][\"\\\"\"]",
        "$\n['a']\r[0]\t[0]",
        "$[ 'a' ][ 0 ][ -1 ]",
    ] {
        let Ok(parsed) = Path::parse(path) else {
            assert_eq!(path, "$ . a", "a name stands right behind its dot");
            continue;
        };
        assert_eq!(parsed.find(&document).map(std::borrow::Cow::into_owned), Some(json!(7)), "{path}");
    }
    for (path, found) in [
        ("$.a[0:1][0]", json!([7])),
        ("$.a[*][0]", json!([7])),
        ("$.a[0,0][0]", json!([7, 7])),
        ("$.a[?@[0]==7][0]", json!([7])),
        ("$..x", json!([7])),
        ("$['a','a'][0][0]", json!([7, 7])),
        ("$.é.*", json!([7])),
        ("$.a[0][:1]", json!([7])),
        ("$..['x']", json!([7])),
        ("$.a[ 0 , 0 ][0]", json!([7, 7])),
        ("$.a[?@[0]==7, 0][0]", json!([7, 7])),
        ("$['é', 'gone'].x", json!([7])),
    ] {
        assert_eq!(Path::parse(path).unwrap().find(&document).map(std::borrow::Cow::into_owned), Some(found), "{path}");
    }
}
