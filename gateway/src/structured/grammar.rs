//! How much work a context-free grammar makes.
//!
//! The syntax is the engine's EBNF: rules `name ::= …` of literals, character classes, names, groups, `|`, `*`, `+`, `?` and
//! `{n,m}`, with comments from `#` to the end of the line. Whatever else the engine reads as a grammar (Lark's syntax, calls
//! such as `TagDispatch(…)`, look-ahead) is refused.

use std::{iter::Peekable, str::Chars};

use super::Place;
use crate::openai::error::ApiError;

/// Refuses a grammar that is not understood, or beyond a limit. What it means is the engine's business.
pub(super) fn check(grammar: &str, place: &Place<'_>) -> Result<(), ApiError> {
    place.within("grammar_bytes", grammar.len(), place.limits.grammar_bytes)?;
    if !grammar.lines().map(without_comment).find(|line| !line.is_empty()).is_some_and(|line| line.contains("::=")) {
        return Err(place.invalid("has to begin with a rule in EBNF: name ::= …"));
    }
    let mut count = Count::new(place);
    let mut scanner = Scanner { rest: grammar.chars().peekable() };
    while let Some(token) = scanner.next_token().map_err(|reason| place.invalid(reason))? {
        count.take(token)?;
    }
    count.finish()
}

/// As the engine looks for EBNF; two slashes begin a comment there too.
fn without_comment(line: &str) -> &str {
    let end = [line.find('#'), line.find("//")].into_iter().flatten().min().unwrap_or(line.len());
    line.get(..end).unwrap_or_default().trim()
}

enum Token {
    /// `name ::=`
    Rule,
    /// A name, literal or character class.
    Element,
    Open,
    Close,
    Or,
    /// `?`, `*`, `+` or `{n,m}`: how often at most, and a moderate number where there is no most.
    Repeat(usize),
}

/// What `*` and `+` count as among repetitions within each other.
const UNBOUNDED: usize = 8;

struct Scanner<'a> {
    rest: Peekable<Chars<'a>>,
}

/// What is wrong, in words.
type Wrong = &'static str;

impl Scanner<'_> {
    fn next_token(&mut self) -> Result<Option<Token>, Wrong> {
        self.skip_blanks();
        let Some(first) = self.rest.next() else { return Ok(None) };
        match first {
            '"' => self.skip_quoted('"', "has a literal that does not end").map(|()| Some(Token::Element)),
            '[' => self.skip_quoted(']', "has a character class that does not end").map(|()| Some(Token::Element)),
            '(' if self.rest.peek() == Some(&'=') => Err("has a look-ahead, which is not supported"),
            '(' => Ok(Some(Token::Open)),
            ')' => Ok(Some(Token::Close)),
            '|' => Ok(Some(Token::Or)),
            '?' => Ok(Some(Token::Repeat(1))),
            '*' | '+' => Ok(Some(Token::Repeat(UNBOUNDED))),
            '{' => self.bounds().map(|most| Some(Token::Repeat(most))),
            first if is_name(first) && !first.is_ascii_digit() => self.name().map(Some),
            _ => Err("has a character outside of literals that EBNF does not have"),
        }
    }

    fn skip_blanks(&mut self) {
        while let Some(&next) = self.rest.peek() {
            if next == '#' {
                while self.rest.next_if(|&next| next != '\n').is_some() {}
            } else if !next.is_ascii_whitespace() {
                break;
            } else {
                self.rest.next();
            }
        }
    }

    fn skip_quoted(&mut self, end: char, unfinished: Wrong) -> Result<(), Wrong> {
        while let Some(next) = self.rest.next() {
            match next {
                '\\' => drop(self.rest.next()),
                '\n' => return Err(unfinished),
                next if next == end => return Ok(()),
                _ => {}
            }
        }
        Err(unfinished)
    }

    fn name(&mut self) -> Result<Token, Wrong> {
        while self.rest.next_if(|&next| is_name(next)).is_some() {}
        self.skip_blanks();
        if self.rest.next_if_eq(&':').is_none() {
            return Ok(Token::Element);
        }
        if self.rest.next_if_eq(&':').is_some() && self.rest.next_if_eq(&'=').is_some() {
            return Ok(Token::Rule);
        }
        Err("has a : that is not part of ::=")
    }

    /// The upper bound of `n}`, `n,}` or `n,m}`.
    fn bounds(&mut self) -> Result<usize, Wrong> {
        let wrong = "has a repetition that is not {n}, {n,} or {n,m}";
        let lower = self.number().ok_or(wrong)?;
        self.skip_blanks();
        let mut most = lower;
        if self.rest.next_if_eq(&',').is_some() {
            most = self.number().unwrap_or(lower.max(UNBOUNDED)).max(lower);
            self.skip_blanks();
        }
        self.rest.next_if_eq(&'}').map(|_| most).ok_or(wrong)
    }

    fn number(&mut self) -> Option<usize> {
        self.skip_blanks();
        let mut number = None;
        while let Some(digit) = self.rest.next_if(char::is_ascii_digit).and_then(|digit| digit.to_digit(10)) {
            number = Some(number.unwrap_or(0_usize).saturating_mul(10).saturating_add(digit as usize));
        }
        number
    }
}

fn is_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '-' | '.')
}

/// What a grammar has, as far as it is read.
struct Count<'a> {
    place: &'a Place<'a>,
    rules: usize,
    alternatives: usize,
    /// For the rule and each open group: the largest product of repetitions within each other so far.
    open: Vec<usize>,
    /// The same of the last element or group.
    last: usize,
}

impl<'a> Count<'a> {
    fn new(place: &'a Place<'a>) -> Self {
        Self { place, rules: 0, alternatives: 0, open: vec![1], last: 1 }
    }

    fn take(&mut self, token: Token) -> Result<(), ApiError> {
        let limits = self.place.limits;
        match token {
            Token::Rule if self.open.len() > 1 => return Err(self.place.invalid("has a group that is not closed")),
            Token::Rule => {
                self.rules += 1;
                self.alternatives += 1;
                self.open = vec![1];
            }
            Token::Or => self.alternatives += 1,
            Token::Element => self.last = 1,
            Token::Open => {
                self.open.push(1);
                self.place.within("grammar_depth", self.open.len() - 1, limits.grammar_depth)?;
            }
            Token::Close => {
                self.last = self.open.pop().unwrap_or(1);
                self.nested(self.last)?;
            }
            Token::Repeat(most) => {
                self.last = self.last.saturating_mul(most.max(1));
                self.place.within("repetitions", self.last, limits.repetitions)?;
                self.nested(self.last)?;
            }
        }
        Ok(())
    }

    /// Lets what is around the last element or group know of its repetitions.
    fn nested(&mut self, product: usize) -> Result<(), ApiError> {
        let Some(around) = self.open.last_mut() else {
            return Err(self.place.invalid("closes a group that is not open"));
        };
        *around = product.max(*around);
        Ok(())
    }

    fn finish(self) -> Result<(), ApiError> {
        if self.open.len() > 1 {
            return Err(self.place.invalid("has a group that is not closed"));
        }
        self.place.within("grammar_rules", self.rules, self.place.limits.grammar_rules)?;
        self.place.within("grammar_alternatives", self.alternatives, self.place.limits.grammar_alternatives)
    }
}
