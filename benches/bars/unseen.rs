//! Tokens never seen: what each costs in CPU time from the token to the answer, beside the bare check of the same one.
//!
//! Asking is `Ask::one`, as the HTTP handlers call it: digest, verification, principal, slice, decision. Bare is
//! `jsonwebtoken::decode` with its key made ready, which looks at the signature and at no claim.

use std::hint::black_box;

use cedargate::ask::{self, Answered, AskError, Question};
use cedargate::authn::VerifiedToken;
use cedargate::bench::generate::GENERATED_TENANT;
use cedargate::decide::AccessQuery;
use cedargate::model::SigningAlgorithm;
use cedargate::principal::resolve;
use jsonwebtoken::jwk::{JwkSet, KeyAlgorithm};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::de::IgnoredAny;

use crate::cpu;
use crate::error::BarError;
use crate::lab::Lab;
use crate::rounds::median;
use crate::world::{Server, asker};

/// A question with a token that nobody has seen.
pub struct Unseen {
    pub token: String,
    pub query: AccessQuery,
}

/// Microseconds of CPU time for each token.
#[derive(Clone, Copy, Debug)]
pub struct Costs {
    /// From the token to the answer.
    pub asked: f64,
    /// Of that, by themselves: until the token is verified, and from there to its principal.
    pub verified: f64,
    pub resolved: f64,
    /// The same question once more.
    pub again: f64,
    /// `jsonwebtoken` alone.
    pub bare: f64,
}

/// `jsonwebtoken` with one key.
pub struct BareCheck {
    key: DecodingKey,
    validation: Validation,
}

impl BareCheck {
    /// With the lab's key for an algorithm.
    pub fn of(lab: &Lab, algorithm: SigningAlgorithm) -> Result<Self, BarError> {
        let (wanted, of_key) = match algorithm {
            SigningAlgorithm::ES256 => (Algorithm::ES256, KeyAlgorithm::ES256),
            _ => (Algorithm::RS256, KeyAlgorithm::RS256),
        };
        let keys: JwkSet = lab.wait(async { reqwest::get(lab.issuer.jwks_uri()).await?.json().await })?;
        let key = keys.keys.iter().find(|key| key.common.key_algorithm == Some(of_key));
        let key = DecodingKey::from_jwk(key.ok_or(BarError::Unknown("the provider's key"))?)?;
        let mut validation = Validation::new(wanted);
        validation.required_spec_claims.clear();
        (validation.validate_exp, validation.validate_aud) = (false, false);
        Ok(Self { key, validation })
    }

    fn check(&self, token: &str) -> Result<(), BarError> {
        Ok(jsonwebtoken::decode::<IgnoredAny>(token, &self.key, &self.validation).map(|_| ())?)
    }
}

/// Medians over rounds, each with new tokens whose answers are looked at. The first round is for keys to be fetched.
pub fn costs(
    lab: &Lab,
    server: &Server,
    bare: &BareCheck,
    mut mint: impl FnMut() -> Result<Vec<Unseen>, BarError>,
    is_right: impl Fn(usize, &Answered) -> bool,
) -> Result<Costs, BarError> {
    let mut rounds = Vec::new();
    for number in 0..=ROUNDS {
        let tokens = mint()?;
        let (round, answers) = one_round(lab, server, bare, &tokens)?;
        let wrong = answers.iter().enumerate().find(|(at, answered)| !is_right(*at, answered));
        if let Some((_, answered)) = wrong {
            return Err(BarError::Wrong(format!("{answered:?}")));
        }
        rounds.extend((number > 0).then_some(round));
    }
    let middle = |of: fn(&Costs) -> f64| median(rounds.iter().map(of));
    Ok(Costs {
        asked: middle(|costs| costs.asked),
        verified: middle(|costs| costs.verified),
        resolved: middle(|costs| costs.resolved),
        again: middle(|costs| costs.again),
        bare: middle(|costs| costs.bare),
    })
}

fn one_round(
    lab: &Lab,
    server: &Server,
    bare: &BareCheck,
    tokens: &[Unseen],
) -> Result<(Costs, Vec<Answered>), BarError> {
    let (count, providers) = (tokens.len(), &server.snapshot.identity_providers);
    let questions = || tokens.iter().map(question).collect::<Vec<_>>();
    let (first, second) = (questions(), questions());
    let (asked, answers) = cpu::of_each(count, || lab.wait(ask_all(server, first)));
    let (bare, checked) = cpu::of_each(count, || tokens.iter().try_for_each(|one| bare.check(&one.token)));
    let verify = |one: &Unseen| server.ask.verifier.verify(&one.token, providers);
    let (verified, known) = cpu::of_each(count, || tokens.iter().map(verify).collect::<Result<Vec<_>, _>>());
    let known = known.map_err(AskError::from)?;
    let resolve = |token: &VerifiedToken| resolve(token, &server.snapshot).map(black_box).map(|_| ());
    let (resolved, made) = cpu::of_each(count, || known.iter().try_for_each(resolve));
    let (again, same) = cpu::of_each(count, || lab.wait(ask_all(server, second)));
    checked?;
    made.map_err(AskError::from)?;
    same?;
    Ok((Costs { asked, verified, resolved, again, bare }, answers?))
}

async fn ask_all(server: &Server, questions: Vec<Question>) -> Result<Vec<Answered>, BarError> {
    let (asker, mut answers) = (asker(), Vec::with_capacity(questions.len()));
    for question in questions {
        answers.push(server.ask.one(GENERATED_TENANT, None, question, &asker).await?);
    }
    Ok(answers)
}

fn question(Unseen { token, query }: &Unseen) -> Question {
    Question::of(ask::Who::Token(token.clone()), query.clone())
}

const ROUNDS: usize = 6;
