//! `blindllama verify`: one verification, told in full; of a gateway, or of saved evidence.

use super::{
    Outcome, VerifyOptions, attester_with,
    evidence::read_bundle,
    explain::explained,
    judgement::{Judgement, Source},
    policy_file::PolicyFile,
    report,
    style::{self, Style},
    text::{printable, rfc3339},
    verdict_json::verdict_json,
};

pub(super) async fn run(options: VerifyOptions) -> Outcome {
    let (explain, json) = (options.explain, options.json);
    match judge(options).await {
        Ok(mut judgement) => {
            if explain {
                judgement.explain().await;
            }
            tell(&judgement, explain, json)
        }
        Err(outcome) => outcome,
    }
}

async fn judge(options: VerifyOptions) -> Result<Judgement, Outcome> {
    let policy = PolicyFile::read(&options.policy, &options.signer)?;
    match (options.evidence, options.gateway) {
        (Some(path), _) => Ok(Judgement::of_saved(read_bundle(&path)?, policy)),
        (None, Some(gateway)) => {
            let attester = attester_with(gateway, policy.policy.clone())?;
            Ok(Judgement::of_gateway(attester, policy).await)
        }
        (None, None) => Err(Outcome::Local),
    }
}

/// Prints a judgement; the exit status says the same.
pub(super) fn tell(judgement: &Judgement, explain: bool, json: bool) -> Outcome {
    let style = style::for_stdout();
    report::say(&if json { format!("{:#}", verdict_json(judgement)) } else { as_text(judgement, explain, style) });
    judgement.verdict.as_ref().map_or_else(Outcome::from, |_| Outcome::Verified)
}

fn as_text(judgement: &Judgement, explain: bool, style: Style) -> String {
    let mut text = if explain { explained(judgement, style) } else { String::new() };
    text += &match &judgement.verdict {
        Ok(verdict) if explain => report::summary(verdict.peer(), style),
        Ok(verdict) => report::checks(verdict.peer(), style),
        Err(refusal) => report::refusal(refusal, &judgement.policy.policy, style),
    };
    text + &about_the_past(judgement, style)
}

fn about_the_past(judgement: &Judgement, style: Style) -> String {
    let Source::Saved(saved) = &judgement.source else { return String::new() };
    let (time, gateway) = (rfc3339(saved.fetched_at()), printable(saved.gateway()));
    let told = style.warning("A verdict about the past:");
    format!(
        "\n{told} evidence of {time} from {gateway}, as the file says. That time, that the nonce was fresh then, which TLS key the \
         connection had, and any credential activation are the word of whoever saved it; what runs there now is not known."
    )
}
