//! What channels are told beside beginning and end: again to receivers that forget, of what comes and goes, and of restarts.

use super::*;

/// A child every 15 s that needs a parent every two minutes.
fn child_and_parent() -> (Vec<Watched>, Settings) {
    let all = vec![watched("smoke", "child", secs(15)), watched("smoke", "parent", secs(120))];
    let needs = BTreeMap::from([("child".to_owned(), vec!["parent".to_owned()])]);
    (all, Settings { dependencies: needs, ..Settings::default() })
}

#[test]
fn a_receiver_that_forgets_hears_again_only_of_what_it_was_told() {
    let (all, settings) = child_and_parent();
    let mut prober = Prober::new(vec![rule("down", consecutive(2, None))], all, settings);
    let fails = between(600, 1200, Ends::Failed(Reason::Connect));
    let mut heard = BTreeMap::<&str, Vec<u64>>::new();
    for second in 0..1800 {
        prober.run(secs(1), &fails);
        let again = prober.engine.to_repeat("ops", prober.now());
        assert!(prober.engine.to_repeat("oncall", prober.now()).is_empty());
        for view in again {
            let target = if view.target == "child" { "child" } else { "parent" };
            heard.entry(target).or_default().push(second);
        }
    }
    // The child fires at 615 and is explained at 660, before anybody was told; the parent is told half a minute after 780.
    let parent = &heard["parent"];
    assert_eq!((parent[0], parent.last().copied()), (809, Some(1258)), "{:#?}", prober.lines());
    assert_eq!(heard.len(), 1, "{heard:?}");
    assert_eq!(prober.lines(), ["810 ops firing down", "1260 ops resolved down"]);
}
