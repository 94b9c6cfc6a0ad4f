//! How much work a regular expression makes.
//!
//! It is parsed as the `regex` crate would, whose syntax is that of ECMAScript as far as the engine understands it. What can
//! be refused by the engine with a warning in its log is refused here: such a warning quotes the expression.

use regex_syntax::ast::{
    AssertionKind, Ast, ClassPerlKind, ErrorKind, GroupKind, RepetitionKind, RepetitionOp, RepetitionRange, parse::ParserBuilder,
};

use super::Place;
use crate::openai::error::ApiError;

/// What `*` and `+` count as among nested repetitions.
const UNBOUNDED: usize = 8;
/// Bytes of the longest character in UTF-8.
const LONGEST_CHARACTER: usize = 4;
/// The deepest nesting that is parsed, whatever the configuration says: the walk over the tree is recursive.
const DEEPEST: usize = 200;

/// Refuses an expression for a whole answer that is not understood or beyond a limit.
pub(super) fn check(regex: &str, place: &Place<'_>) -> Result<(), ApiError> {
    let size = cost(regex, place)?.size;
    place.within("regex_size", size, place.limits.regex_size)
}

/// The size of a string's `pattern`, which its schema adds to that of its others.
pub(super) fn size_of_pattern(regex: &str, place: &Place<'_>) -> Result<usize, ApiError> {
    Ok(cost(regex, place)?.size)
}

/// What an expression, or a part of one, amounts to.
#[derive(Default)]
struct Cost {
    /// Bytes of the longest match, each unbounded repetition taken once, and all alternatives added.
    size: usize,
    /// The largest product of repetitions within each other.
    repetitions: usize,
}

fn cost(regex: &str, place: &Place<'_>) -> Result<Cost, ApiError> {
    place.within("regex_bytes", regex.len(), place.limits.regex_bytes)?;
    let depth = place.limits.regex_depth.min(DEEPEST);
    let nest_limit = u32::try_from(depth).unwrap_or(u32::MAX);
    let ast = ParserBuilder::new().nest_limit(nest_limit).build().parse(regex).map_err(|error| match error.kind() {
        ErrorKind::NestLimitExceeded(_) => {
            place.invalid(&format!("is too large: this server's limit regex_depth is {depth}, and this is nested deeper"))
        }
        kind => place.invalid(&format!("is a regular expression that is not understood: {kind}")),
    })?;
    let cost = whole(&ast, regex).map_err(|refused| place.invalid(&format!("is a regular expression with {refused}")))?;
    place.within("regex_repetitions", cost.repetitions, place.limits.regex_repetitions)?;
    Ok(cost)
}

/// What cannot be obeyed, in words.
type Refused = &'static str;

/// Anchors may stand at the ends, where they mean nothing: the match is always whole.
fn whole(ast: &Ast, source: &str) -> Result<Cost, Refused> {
    let parts = match ast {
        Ast::Concat(concat) => concat.asts.as_slice(),
        single => std::slice::from_ref(single),
    };
    let parts = match parts {
        [first, rest @ ..] if is_anchor(first, &AssertionKind::StartLine) => rest,
        parts => parts,
    };
    let parts = match parts {
        [rest @ .., last] if is_anchor(last, &AssertionKind::EndLine) => rest,
        parts => parts,
    };
    sum(parts, source)
}

fn is_anchor(ast: &Ast, kind: &AssertionKind) -> bool {
    matches!(ast, Ast::Assertion(assertion) if assertion.kind == *kind)
}

/// Recursive: the parser has limited the depth.
fn part(ast: &Ast, source: &str) -> Result<Cost, Refused> {
    match ast {
        Ast::Empty(_) => Ok(Cost::default()),
        Ast::Literal(literal) if literal.c == '\0' => Err("a NUL character"),
        Ast::Literal(literal) => Ok(one(literal.c.len_utf8())),
        Ast::Dot(_) => Ok(one(LONGEST_CHARACTER)),
        Ast::ClassPerl(class) if class.negated || class.kind == ClassPerlKind::Space => Ok(one(LONGEST_CHARACTER)),
        Ast::ClassPerl(_) => Ok(one(1)),
        Ast::ClassBracketed(class) => Ok(one(width(source.get(class.span.start.offset..class.span.end.offset)))),
        Ast::ClassUnicode(_) => Err("a Unicode property (\\p), which is not supported"),
        Ast::Flags(_) => Err("flags, which are not supported"),
        Ast::Assertion(_) => Err("an assertion; only ^ at its beginning and $ at its end are supported"),
        Ast::Group(group) => match &group.kind {
            GroupKind::NonCapturing(flags) if !flags.items.is_empty() => Err("flags, which are not supported"),
            _ => part(&group.ast, source),
        },
        Ast::Concat(concat) => sum(&concat.asts, source),
        Ast::Alternation(alternation) => sum(&alternation.asts, source),
        Ast::Repetition(repetition) => Ok(repeat(&part(&repetition.ast, source)?, &repetition.op)),
    }
}

/// Bytes of the longest character of a bracketed class, from its text: more where it could be more.
fn width(class: Option<&str>) -> usize {
    let beyond_ascii = ["^", "\\u", "\\U", "\\x", "\\s", "\\S", "\\D", "\\W"];
    match class {
        Some(text) if text.is_ascii() && !beyond_ascii.iter().any(|part| text.contains(part)) => 1,
        _ => LONGEST_CHARACTER,
    }
}

const fn one(size: usize) -> Cost {
    Cost { size, repetitions: 1 }
}

fn sum(parts: &[Ast], source: &str) -> Result<Cost, Refused> {
    parts.iter().try_fold(Cost::default(), |all, next| {
        let next = part(next, source)?;
        Ok(Cost { size: all.size.saturating_add(next.size), repetitions: all.repetitions.max(next.repetitions) })
    })
}

fn repeat(inner: &Cost, op: &RepetitionOp) -> Cost {
    let (size, repetitions) = match &op.kind {
        RepetitionKind::ZeroOrOne => (1, 1),
        RepetitionKind::ZeroOrMore | RepetitionKind::OneOrMore => (1, UNBOUNDED),
        RepetitionKind::Range(RepetitionRange::AtLeast(count)) => (*count as usize, (*count as usize).max(UNBOUNDED)),
        RepetitionKind::Range(RepetitionRange::Exactly(count) | RepetitionRange::Bounded(_, count)) => {
            (*count as usize, *count as usize)
        }
    };
    Cost { size: inner.size.saturating_mul(size.max(1)), repetitions: inner.repetitions.saturating_mul(repetitions.max(1)) }
}
