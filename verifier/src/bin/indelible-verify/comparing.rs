//! `checkpoints`: two heads of one ledger, compared without the ledger.

use std::path::{Path, PathBuf};

use clap::Args;
use indelible_core::code::{Class, Code, UncheckedCode};
use indelible_core::key::Trust;
use indelible_verifier::compare::{
    self, Compared, ConsistencyProof, OpenedHead, PROOF_FILE_BYTES_MAX, UnusableHead, open_head,
};
use indelible_verifier::render::{self, Words, printable, words};
use indelible_verifier::{HeadFile, Verdict};
use serde_json::{Value, json};

use crate::given;
use crate::out::{Stop, print};

#[derive(Args)]
pub(crate) struct Checkpoints {
    /// A checkpoint or a receipt.
    a: PathBuf,
    /// Another one of the same ledger.
    b: PathBuf,
    /// A consistency proof between the two, where they have different sizes: what
    /// `indelible checkpoint LEDGER --consistency-from A --proof-out FILE` wrote.
    #[arg(long, value_name = "FILE")]
    proof: Option<PathBuf>,
    #[command(flatten)]
    keys: given::Keys,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Checkpoints) -> Result<u8, Stop> {
    let trust = args.keys.trust()?;
    let (a, b) = (head(&args.a, &trust), head(&args.b, &trust));
    let proof = match &args.proof {
        Some(path) => Some(ConsistencyProof::parse(&given::read(path, PROOF_FILE_BYTES_MAX)?)),
        None => None,
    };
    let answer = match (&a.opened, &b.opened, proof) {
        (Err(unusable), _, _) | (_, Err(unusable), _) => Answer::unusable(unusable),
        (Ok(_), Ok(_), Some(Err(error))) => Answer::unchecked(error.to_string()),
        (Ok(a), Ok(b), proof) => compared(a, b, proof.and_then(Result::ok).as_ref()),
    };
    let result = if args.json {
        let value = answer.json(&[&a, &b]);
        print(|out| render::write_json(out, &value))
    } else {
        print(|out| {
            for head in [&a, &b] {
                head.describe(out)?;
            }
            answer.write(out)
        })
    };
    result.map(|()| answer.verdict.exit_code())
}

struct Head {
    path: String,
    opened: Result<OpenedHead, UnusableHead>,
}

fn head(path: &Path, trust: &Trust) -> Head {
    let file = HeadFile::read(path);
    Head { path: file.source().to_owned(), opened: open_head(&file, trust) }
}

impl Head {
    fn describe(&self, out: &mut dyn std::io::Write) -> std::io::Result<()> {
        let name = printable(&self.path);
        match &self.opened {
            Ok(head) => writeln!(
                out,
                "{name}\n  {}, {} records, root {}",
                printable(&head.origin),
                render::thousands(head.size),
                head.root.to_base64()
            ),
            Err(_) => writeln!(out, "{name}\n  cannot be used"),
        }
    }

    fn json(&self) -> Value {
        match &self.opened {
            Ok(head) => json!({
                "file": self.path,
                "origin": head.origin.as_str(),
                "size": head.size,
                "root": head.root.to_base64(),
            }),
            Err(_) => json!({"file": self.path}),
        }
    }
}

/// What is said in the end.
struct Answer {
    verdict: Verdict,
    finding: Option<(Class, Code)>,
    unchecked: UncheckedCode,
    why: String,
}

impl Answer {
    fn found(class: Class, code: Code, why: String) -> Self {
        let verdict = if class == Class::Tampering { Verdict::Tampered } else { Verdict::Damaged };
        Self { finding: Some((class, code)), ..Self::of(verdict, why) }
    }

    fn of(verdict: Verdict, why: String) -> Self {
        Self { verdict, finding: None, unchecked: UncheckedCode::HeadNotCompared, why }
    }

    fn unchecked(why: String) -> Self {
        Self::of(Verdict::Unchecked, why)
    }

    fn unusable(head: &UnusableHead) -> Self {
        match head {
            UnusableHead::Finding(finding) => {
                let file = finding.file.as_deref().unwrap_or("a head");
                let why = format!("{file}: {}", finding.message);
                Self::found(finding.class, finding.code, why)
            }
            UnusableHead::Unchecked(unchecked) => {
                let why = format!("{}: {}", unchecked.what, unchecked.why);
                Self { unchecked: unchecked.code, ..Self::unchecked(why) }
            }
        }
    }

    fn words(&self) -> Option<Words> {
        match (self.finding, self.verdict) {
            (Some((_, code)), _) => Some(words::code(code)),
            (None, Verdict::Unchecked) => Some(words::unchecked(self.unchecked)),
            (None, _) => None,
        }
    }

    fn write(&self, out: &mut dyn std::io::Write) -> std::io::Result<()> {
        let style = render::style(self.verdict);
        let word = words::verdict_word(self.verdict);
        let code = self.finding.map(|(_, code)| format!(" {code}:")).unwrap_or_default();
        writeln!(out, "\n{style}{word}{style:#}{code} {}", printable(&self.why))?;
        match self.words().filter(|_| self.finding.is_some()) {
            Some(said) => writeln!(out, "{}", said.next),
            None => Ok(()),
        }
    }

    fn json(&self, heads: &[&Head]) -> Value {
        let finding = self.finding.map(|(class, code)| {
            json!({"class": class.as_str(), "code": code.as_str(), "message": self.why})
        });
        let unchecked = (self.verdict == Verdict::Unchecked).then(|| {
            json!({"code": self.unchecked.as_str(), "ledger": "",
                   "what": "the two heads", "why": self.why})
        });
        json!({
            "v": 1,
            "verdict": self.verdict,
            "exit_code": self.verdict.exit_code(),
            "heads": heads.iter().map(|head| head.json()).collect::<Vec<_>>(),
            "why": self.why,
            "findings": finding.into_iter().collect::<Vec<_>>(),
            "unchecked": unchecked.into_iter().collect::<Vec<_>>(),
        })
    }
}

fn compared(a: &OpenedHead, b: &OpenedHead, proof: Option<&ConsistencyProof>) -> Answer {
    match compare::compare(a, b, proof) {
        Compared::Good { why } => Answer::of(Verdict::Good, why),
        Compared::Tampered { code, why } => Answer::found(Class::Tampering, code, why),
        Compared::Damaged { code, why } => Answer::found(Class::Damage, code, why),
        Compared::Unchecked { why } => Answer::unchecked(why),
    }
}
