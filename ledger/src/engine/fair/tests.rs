//! A model of the sequencer's work: batches are gathered from lines that are kept full, and what each
//! tenant and ledger got is added up. Nothing here depends on a clock.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const BATCH: Load = Load { events: 2048, bytes: 4 << 20 };
const QUEUE: Load = Load { events: 32_768, bytes: 64 << 20 };

fn tenant(name: &str) -> Tenant {
    Tenant::new(name).unwrap()
}

/// Whom an item belongs to and what it cost.
type Item = (Tenant, u64, usize);

/// Keeps each of `lines` (tenant, ledger, load and cost of its groups) three groups full while `batches`
/// are gathered; the work that each tenant and each ledger got.
fn shares(
    lines: &[(Tenant, u64, Load, usize)],
    batches: usize,
) -> (BTreeMap<Tenant, usize>, BTreeMap<u64, usize>) {
    let mut fair: Fair<Item> = Fair::default();
    let mut waiting: BTreeMap<u64, usize> = BTreeMap::new();
    let (mut of_tenants, mut of_ledgers) = (BTreeMap::new(), BTreeMap::new());
    for _ in 0..batches {
        for (tenant, line, load, cost) in lines {
            let waiting = waiting.entry(*line).or_default();
            while *waiting < 3 {
                fair.push(tenant, *line, *load, *cost, (tenant.clone(), *line, *cost));
                *waiting += 1;
            }
        }
        let gathered = fair.gather(BATCH);
        assert!(!gathered.is_empty());
        for (tenant, line, cost) in gathered {
            *waiting.get_mut(&line).unwrap() -= 1;
            *of_tenants.entry(tenant).or_default() += cost;
            *of_ledgers.entry(line).or_default() += cost;
        }
    }
    (of_tenants, of_ledgers)
}

fn group(events: usize, bytes: usize) -> (Load, usize) {
    (Load { events, bytes }, bytes + events * EVENT_COST_BYTES)
}

/// Whether two shares are within a tenth of each other.
fn assert_alike(a: usize, b: usize) {
    assert!(a.abs_diff(b) * 10 <= a.max(b), "{a} and {b}");
}

#[test]
fn a_tenant_with_500_ledgers_gets_as_much_as_one_with_one() {
    let (load, cost) = group(64, 64 * 512);
    let mut lines = vec![(tenant("one"), 0, load, cost)];
    lines.extend((1..=500).map(|line| (tenant("many"), line, load, cost)));
    // The tenant with one ledger has three groups at a time, of 192 events: both must be able to fill more
    // than a batch.
    let lines: Vec<_> = lines
        .into_iter()
        .map(|(tenant, line, load, cost)| match line {
            0 => (tenant, line, Load { events: 640, bytes: 640 * 512 }, 10 * cost),
            _ => (tenant, line, load, cost),
        })
        .collect();
    let (tenants, ledgers) = shares(&lines, 2000);
    assert_alike(tenants[&tenant("one")], tenants[&tenant("many")]);
    let of_many = || (1..=500).map(|line| ledgers[&line]);
    assert_alike(of_many().min().unwrap(), of_many().max().unwrap());
}

#[test]
fn work_counts_and_not_the_number_of_groups() {
    let (small, small_cost) = group(1, 100);
    let (large, large_cost) = group(512, 256 << 10);
    // Known ids: few bytes, much work.
    let (known, known_cost) = (group(100, 10_000).0, 100 * LOOK_UP_MADE_COST_BYTES);
    let one = |name: &str, line, load, cost| (tenant(name), line, load, cost);
    let mut lines = vec![one("large", 0, large, large_cost), one("known", 1, known, known_cost)];
    // Enough of them that what waits of this tenant is always more than its share.
    lines.extend((2..2000).map(|line| one("small", line, small, small_cost)));
    let (tenants, _) = shares(&lines, 8000);
    assert_alike(tenants[&tenant("large")], tenants[&tenant("known")]);
    assert_alike(tenants[&tenant("large")], tenants[&tenant("small")]);
}

#[test]
fn ledgers_of_one_tenant_take_turns_and_each_keeps_its_order() {
    let mut fair: Fair<(u64, usize)> = Fair::default();
    let (load, cost) = group(100, 1000);
    for number in 0..100 {
        fair.push(&tenant("a"), 1, load, cost, (1, number));
    }
    fair.push(&tenant("a"), 2, load, cost, (2, 0));
    let mut seen = Vec::new();
    while !fair.is_empty() {
        seen.extend(fair.gather(BATCH));
    }
    let other = seen.iter().position(|(line, _)| *line == 2).unwrap();
    assert!(other <= 4, "the second ledger waited for {other} groups of the first");
    let of_first = seen.iter().filter(|(line, _)| *line == 1).map(|(_, number)| *number);
    assert!(of_first.eq(0..100));
    assert_eq!(fair.load(), Load::default());
}

#[test]
fn a_tenant_with_many_ledgers_cannot_fill_the_queue() {
    let mut fair: Fair<()> = Fair::default();
    let (load, cost) = group(64, 64 * 512);
    let mut taken = 0;
    for line in 0..100_000 {
        if fair.has_room(&tenant("many"), line, load, QUEUE) {
            fair.push(&tenant("many"), line, load, cost, ());
            taken += load.events;
        }
    }
    let share = QUEUE.events * 4 / 5;
    assert!((share - 64..=share + 64).contains(&taken), "{taken} of {}", QUEUE.events);
    // Another tenant finds room for its largest group, and for more.
    let (largest, cost) = group(BATCH.events, BATCH.bytes);
    assert!(fair.has_room(&tenant("one"), 100_001, largest, QUEUE));
    fair.push(&tenant("one"), 100_001, largest, cost, ());
    assert!(fair.has_room(&tenant("one"), 100_001, load, QUEUE));
    assert!(!fair.has_room(&tenant("many"), 1, load, QUEUE));
}

#[test]
fn one_ledger_leaves_room_to_others_of_its_tenant_and_to_other_tenants() {
    let mut fair: Fair<()> = Fair::default();
    let (load, cost) = group(1, 1);
    let mut fill = |tenant: &Tenant, line| {
        let before = fair.load().events;
        while fair.has_room(tenant, line, load, QUEUE) {
            fair.push(tenant, line, load, cost, ());
        }
        fair.load().events - before
    };
    let alone = fill(&tenant("a"), 1);
    assert!(alone.abs_diff(QUEUE.events * 16 / 21) <= 1, "{alone}");
    let second = fill(&tenant("a"), 2);
    let other = fill(&tenant("b"), 3);
    assert!(second > 500 && other > 4000, "{second} {other}");
}

#[test]
fn a_group_of_any_allowed_size_is_taken_where_nothing_waits() {
    let fair: Fair<()> = Fair::default();
    let huge = Load { events: QUEUE.events * 2, bytes: QUEUE.bytes * 2 };
    assert!(fair.has_room(&tenant("a"), 1, huge, QUEUE));
}

proptest! {
    /// Everything that went in comes out once, each line in its order, and no batch is larger than it may
    /// be unless it is of one group.
    #[test]
    fn nothing_is_lost_and_batches_are_bounded(
        groups in proptest::collection::vec((0..4usize, 0..5u64, 1..3000usize, 0..(6usize << 20)), 1..80),
    ) {
        let names = ["a", "b", "c", "d"];
        let mut fair: Fair<(usize, u64, usize, Load)> = Fair::default();
        for (place, &(name, line, events, bytes)) in groups.iter().enumerate() {
            let (load, cost) = group(events, bytes);
            fair.push(&tenant(names[name]), line, load, cost, (name, line, place, load));
        }
        let (mut last, mut count) = (BTreeMap::new(), 0);
        while !fair.is_empty() {
            let batch = fair.gather(BATCH);
            let mut sum = Load::default();
            for (name, line, place, load) in &batch {
                sum.add(*load);
                count += 1;
                let before = last.insert((*name, *line), *place);
                prop_assert!(before.is_none_or(|before| before < *place));
            }
            prop_assert!(batch.len() == 1 || sum.fits(BATCH));
            prop_assert!(!batch.is_empty());
        }
        prop_assert_eq!(count, groups.len());
        prop_assert_eq!(fair.load(), Load::default());
    }
}
