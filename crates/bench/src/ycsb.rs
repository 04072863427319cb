//! The mixes of the Yahoo Cloud Serving Benchmark (Cooper, Silberstein, Tam,
//! Ramakrishnan and Sears: Benchmarking Cloud Serving Systems with YCSB, `SoCC`
//! 2010), with its distributions.

use crate::random::Random;
use crate::requests::{Operation, Request, Requests};
use std::collections::BTreeSet;

/// A mix of operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mix {
    /// Half reads, half updates; some keys far more often than others.
    A,
    /// 95 % reads, 5 % updates.
    B,
    /// Reads alone.
    C,
    /// 95 % reads of what is new, 5 % inserts.
    D,
    /// Half reads, half reads of a record that is then written.
    F,
}

impl Mix {
    /// D comes last: it inserts.
    pub(crate) const ALL: [Self; 5] = [Self::A, Self::B, Self::C, Self::F, Self::D];

    /// The share of requests that only read.
    fn reads(self) -> f64 {
        match self {
            Self::A | Self::F => 0.5,
            Self::B | Self::D => 0.95,
            Self::C => 1.0,
        }
    }
}

/// Requests of a mix.
#[derive(Debug)]
pub(crate) struct Ycsb {
    mix: Mix,
    random: Random,
    keys: Zipfian,
    /// Records that are stored for certain: all below this number.
    stored: u64,
    /// Inserts that were answered before an earlier one was.
    stored_beyond: BTreeSet<u64>,
    inserted: u64,
}

impl Ycsb {
    /// A mix on a store that has `records` records.
    pub(crate) fn new(mix: Mix, records: u64, seed: u64) -> Self {
        Self {
            mix,
            random: Random::new(seed),
            keys: match mix {
                Mix::D => Zipfian::over(records),
                _ => Zipfian::scrambled(),
            },
            stored: records,
            stored_beyond: BTreeSet::new(),
            inserted: records,
        }
    }

    /// How many records there are once every insert is answered.
    pub(crate) fn records(&self) -> u64 {
        self.inserted
    }

    fn choose(&mut self) -> u64 {
        let rank = self.keys.next(&mut self.random);
        match self.mix {
            Mix::D => self.stored - 1 - rank.min(self.stored - 1),
            _ => fnv(rank) % self.stored,
        }
    }
}

impl Requests for Ycsb {
    fn next(&mut self) -> Option<Request> {
        if self.random.unit() < self.mix.reads() {
            return Some(Request::new(Operation::Get, self.choose()));
        }
        let request = match self.mix {
            Mix::D => {
                self.inserted += 1;
                Request::new(Operation::Put, self.inserted - 1)
            }
            Mix::F => Request {
                then_put: true,
                ..Request::new(Operation::Get, self.choose())
            },
            Mix::A | Mix::B | Mix::C => Request::new(Operation::Put, self.choose()),
        };
        Some(request)
    }

    fn answered(&mut self, request: Request) {
        if request.number < self.stored {
            return;
        }
        self.stored_beyond.insert(request.number);
        while self.stored_beyond.remove(&self.stored) {
            self.stored += 1;
            self.keys.grow(self.stored);
        }
    }
}

/// Ranks, the first ones far more often (Gray, Sundaresan, Englert, Baclawski
/// and Weinberger: Quickly Generating Billion-Record Synthetic Databases, SIGMOD
/// 1994, as YCSB takes it over).
#[derive(Debug)]
struct Zipfian {
    count: u64,
    zeta: f64,
    eta: f64,
}

const THETA: f64 = 0.99;

#[allow(clippy::cast_precision_loss, reason = "ranks need no more digits")]
impl Zipfian {
    fn over(count: u64) -> Self {
        let zeta = (1..=count).map(|rank| (rank as f64).powf(-THETA)).sum();
        Self::with(count, zeta)
    }

    /// Over YCSB's 10^10 ranks, whose zeta it states; hashed onto the records,
    /// so that the popular ones lie apart.
    fn scrambled() -> Self {
        Self::with(10_000_000_000, 26.469_028_201_783_02)
    }

    fn with(count: u64, zeta: f64) -> Self {
        let two = 1.0 + 0.5_f64.powf(THETA);
        let eta = (1.0 - (2.0 / count as f64).powf(1.0 - THETA)) / (1.0 - two / zeta);
        Self { count, zeta, eta }
    }

    fn grow(&mut self, count: u64) {
        let more = (self.count + 1..=count).map(|rank| (rank as f64).powf(-THETA));
        *self = Self::with(count, self.zeta + more.sum::<f64>());
    }

    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rank, from 0 to the count"
    )]
    fn next(&self, random: &mut Random) -> u64 {
        let unit = random.unit();
        let scaled = unit * self.zeta;
        if scaled < 1.0 {
            return 0;
        }
        if scaled < 1.0 + 0.5_f64.powf(THETA) {
            return 1;
        }
        let base = self.eta * unit - self.eta + 1.0;
        let rank = self.count as f64 * base.powf(1.0 / (1.0 - THETA));
        (rank as u64).min(self.count - 1)
    }
}

/// FNV-1a, 64 bits, over the number's bytes.
fn fnv(number: u64) -> u64 {
    number
        .to_le_bytes()
        .iter()
        .fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01B3)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(mix: Mix, is: impl Fn(&Request) -> bool) -> f64 {
        let mut ycsb = Ycsb::new(mix, 1000, 1);
        let requests = (0..10_000).filter_map(|_| {
            let request = ycsb.next()?;
            ycsb.answered(request);
            Some(request)
        });
        #[allow(clippy::cast_precision_loss, reason = "small numbers")]
        let share = requests.filter(is).count() as f64 / 10_000.0;
        share
    }

    #[test]
    fn the_mixes_have_their_shares() {
        let is_get = |request: &Request| request.operation == Operation::Get && !request.then_put;
        for (mix, reads) in [
            (Mix::A, 0.5),
            (Mix::B, 0.95),
            (Mix::C, 1.0),
            (Mix::D, 0.95),
            (Mix::F, 0.5),
        ] {
            let share = share(mix, is_get);
            assert!((share - reads).abs() < 0.02, "{mix:?}: {share}");
        }
        assert!((share(Mix::F, |request| request.then_put) - 0.5).abs() < 0.02);
    }

    #[test]
    fn the_first_rank_has_the_share_that_zeta_gives_it() {
        let zipfian = Zipfian::over(1000);
        let mut random = Random::new(1);
        let first = (0..100_000)
            .filter(|_| zipfian.next(&mut random) == 0)
            .count();
        let share = f64::from(u32::try_from(first).unwrap()) / 100_000.0;
        assert!((share - 1.0 / zipfian.zeta).abs() < 0.01, "{share}");
        let mut grown = Zipfian::over(500);
        grown.grow(1000);
        assert!((grown.zeta - zipfian.zeta).abs() < 1e-9);
    }

    #[test]
    fn only_what_is_stored_is_read_and_mostly_what_is_new() {
        let mut ycsb = Ycsb::new(Mix::D, 1000, 1);
        let mut recent = 0;
        let mut waiting = Vec::new();
        for round in 0..10_000 {
            let request = ycsb.next().unwrap();
            match request.operation {
                Operation::Get => {
                    assert!(request.number < ycsb.stored);
                    recent += u32::from(request.number + 100 >= ycsb.stored);
                }
                Operation::Put => waiting.push(request),
            }
            // Answers come late, and not in order.
            if round % 50 == 0 {
                waiting
                    .drain(..)
                    .rev()
                    .for_each(|insert| ycsb.answered(insert));
            }
        }
        waiting.drain(..).for_each(|insert| ycsb.answered(insert));
        assert_eq!(ycsb.stored, ycsb.records());
        assert!(recent > 5000, "{recent}");
    }
}
