//! `blindllama verify`: one verification, told in full.

use super::{Outcome, VerifyOptions, attester, report, style};

pub(super) async fn run(options: VerifyOptions) -> Outcome {
    let attester = match attester(options.peer) {
        Ok(attester) => attester,
        Err(outcome) => return outcome,
    };
    let verdict = attester.attest(None).await;
    let style = style::for_stdout();
    report::say(&match &verdict {
        _ if options.json => format!("{:#}", report::as_json(&verdict, attester.policy())),
        Ok(peer) => report::checks(peer, style),
        Err(refusal) => report::refusal(refusal, attester.policy(), style),
    });
    verdict.as_ref().map_or_else(Outcome::from, |_| Outcome::Verified)
}
