//! The Python parser, behind one door: its crate promises no stable interface, so nothing else calls it.
//!
//! Hostile input is bounded before it is parsed: syntax trees are walked and dropped by recursion, so a
//! tree may only be as deep as the stack of [`on_deep_stack`] carries with ease.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use ruff_python_ast::token::TokenKind;
use ruff_python_ast::token::Tokens;
use ruff_python_ast::{ModModule, PythonVersion as Grammar, Stmt};
use ruff_python_parser::{Mode, ParseOptions, Parsed, lexer, parse_unchecked};
use ruff_text_size::Ranged;

use crate::outcome::PythonVersion;

/// Larger files are not parsed. The whole standard library's largest module is a tenth of this.
const MAX_SOURCE_BYTES: usize = 8 * 1024 * 1024;
/// Python itself refuses more than 200 open brackets and 100 levels of indentation.
const MAX_BRACKETS: usize = 200;
const MAX_INDENTATION: usize = 100;
/// Bound on operators, calls and the like that one expression may chain.
const MAX_CHAIN: usize = 4_000;
const STACK_BYTES: usize = 256 * 1024 * 1024;

/// A parsed module.
#[derive(Debug)]
pub(crate) struct Tree {
    parsed: Parsed<ModModule>,
}

/// Where and why a text is not Python; `offset` is a byte offset into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    pub(crate) offset: usize,
    pub(crate) message: String,
}

impl Tree {
    /// The module's statements.
    pub(crate) fn body(&self) -> &[Stmt] {
        &self.parsed.syntax().body
    }

    /// All tokens, comments included.
    pub(crate) fn tokens(&self) -> &Tokens {
        self.parsed.tokens()
    }

    /// The end of the logical line on which `offset` lies: just behind its line ending and whether
    /// there is a line ending at all.
    pub(crate) fn logical_line_end(&self, offset: usize) -> (usize, bool) {
        let tokens: &[ruff_python_ast::token::Token] = self.tokens();
        let first = tokens.partition_point(|token| usize::from(token.end()) <= offset);
        let first = first.saturating_sub(1);
        for token in &tokens[first..] {
            if token.kind() == TokenKind::Newline && usize::from(token.end()) >= offset {
                let range = token.range();
                return (range.end().into(), !range.is_empty());
            }
        }
        (
            tokens.last().map_or(offset, |token| token.end().into()),
            false,
        )
    }
}

/// Parses with the grammar of `version`; the first error wins.
pub(crate) fn parse(text: &str, version: PythonVersion) -> Result<Tree, SyntaxError> {
    if text.len() > MAX_SOURCE_BYTES {
        return Err(SyntaxError {
            offset: 0,
            message: "the file is too large to read".to_owned(),
        });
    }
    if let Some(offset) = text.find('\0') {
        return Err(SyntaxError {
            offset,
            message: "the source holds a null byte".to_owned(),
        });
    }
    check_depth(text)?;
    let grammar = Grammar {
        major: version.major,
        minor: version.minor,
    };
    let options = ParseOptions::from(Mode::Module).with_target_version(grammar);
    let parsed = catch_unwind(AssertUnwindSafe(|| parse_unchecked(text, options)))
        .ok()
        .and_then(Parsed::try_into_module)
        .ok_or_else(|| SyntaxError {
            offset: 0,
            message: "the parser could not read this file".to_owned(),
        })?;
    let error = parsed
        .errors()
        .iter()
        .map(|error| SyntaxError {
            offset: error.location.start().into(),
            message: error.error.to_string(),
        })
        .chain(
            parsed
                .unsupported_syntax_errors()
                .iter()
                .map(|error| SyntaxError {
                    offset: error.range().start().into(),
                    message: error.to_string(),
                }),
        )
        .min_by_key(|error| error.offset);
    match error {
        Some(error) => Err(error),
        None => Ok(Tree { parsed }),
    }
}

/// Refuses text whose tree could be too deep, from its tokens alone (lexing does not recurse).
fn check_depth(text: &str) -> Result<(), SyntaxError> {
    let mut lexer = lexer::lex(text, Mode::Module);
    // One counter for each open bracket: what was chained in it since the last separator.
    let mut chains: Vec<usize> = vec![0];
    let mut total = 0_usize;
    let mut lambdas = 0_usize;
    let mut indentation = 0_usize;
    let mut unbalanced = false;
    let refuse = |message: &str| {
        Err(SyntaxError {
            offset: 0,
            message: message.to_owned(),
        })
    };
    loop {
        match lexer.next_token() {
            TokenKind::EndOfFile => break,
            TokenKind::Lpar
            | TokenKind::Lsqb
            | TokenKind::Lbrace
            | TokenKind::FStringStart
            | TokenKind::TStringStart => {
                if let Some(top) = chains.last_mut() {
                    *top += 1;
                }
                total += 1;
                chains.push(0);
            }
            TokenKind::Rpar
            | TokenKind::Rsqb
            | TokenKind::Rbrace
            | TokenKind::FStringEnd
            | TokenKind::TStringEnd => {
                if chains.len() > 1 {
                    total -= chains.pop().unwrap_or(0);
                } else {
                    unbalanced = true;
                }
            }
            TokenKind::Newline | TokenKind::Semi => {
                unbalanced |= chains.len() > 1;
                chains.clear();
                chains.push(0);
                total = 0;
                lambdas = 0;
            }
            // A comma ends a chain, unless it stands between the parameters of a lambda.
            TokenKind::Comma if lambdas == 0 => {
                if let Some(top) = chains.last_mut() {
                    total -= *top;
                    *top = 0;
                }
            }
            TokenKind::Indent => {
                indentation += 1;
                if indentation > MAX_INDENTATION {
                    return refuse("too many levels of indentation");
                }
            }
            TokenKind::Dedent => indentation = indentation.saturating_sub(1),
            TokenKind::Name
            | TokenKind::Int
            | TokenKind::Float
            | TokenKind::Complex
            | TokenKind::String
            | TokenKind::FStringMiddle
            | TokenKind::TStringMiddle
            | TokenKind::Comment
            | TokenKind::NonLogicalNewline
            | TokenKind::Comma => {}
            kind => {
                unbalanced |= kind == TokenKind::Unknown;
                lambdas += usize::from(kind == TokenKind::Lambda);
                if let Some(top) = chains.last_mut() {
                    *top += 1;
                }
                total += 1;
            }
        }
        if chains.len() > MAX_BRACKETS {
            return refuse("too many nested brackets");
        }
        if total > MAX_CHAIN {
            return refuse("an expression is too long");
        }
    }
    // The parser recovers from an open bracket by reading on as if it were closed, and then sees
    // blocks that the loop above took for one expression.
    if unbalanced || chains.len() > 1 {
        let deep = text
            .lines()
            .any(|line| line.len() - line.trim_start().len() > MAX_INDENTATION);
        if deep {
            return refuse("a bracket is not closed");
        }
    }
    Ok(())
}

thread_local! {
    static DEEP: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work` on a thread whose stack carries the deepest tree [`parse`] lets through.
pub(crate) fn on_deep_stack<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    if DEEP.get() {
        return work();
    }
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("python-source".to_owned())
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, || {
                DEEP.set(true);
                work()
            })
            .expect("the system can start a thread");
        thread.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        on_deep_stack(|| match parse(text, PythonVersion::NEWEST) {
            Ok(_) => "accepted".to_owned(),
            Err(error) => error.message,
        })
    }

    #[test]
    fn text_that_would_make_a_very_deep_tree_is_refused() {
        let nested = |open: &str, times: usize| format!("x = {}1\n", open.repeat(times));
        assert_eq!(refused(&nested("(", 5_000)), "too many nested brackets");
        assert_eq!(
            refused(&nested("not ", 50_000)),
            "an expression is too long"
        );
        assert_eq!(
            refused(&nested("lambda a, b: ", 50_000)),
            "an expression is too long"
        );
        assert_eq!(
            refused(&nested("1 + ", 50_000)),
            "an expression is too long"
        );
        assert_eq!(
            refused(&format!("x{}\n", ".y".repeat(50_000))),
            "an expression is too long"
        );
        assert_eq!(
            refused(&format!("x{}\n", "()".repeat(50_000))),
            "an expression is too long"
        );
        let blocks: String = (0..1_500)
            .flat_map(|depth| [" ".repeat(depth), "if x:\n".to_owned()])
            .collect();
        assert_eq!(refused(&blocks), "too many levels of indentation");
        assert_eq!(refused(&format!("(\n{blocks}")), "a bracket is not closed");
    }

    #[test]
    fn a_long_flat_table_is_not_deep() {
        let table = format!(
            "x = [\n{}]\n",
            "    (1, -2, 'three', f(4)),\n".repeat(20_000)
        );
        assert_eq!(refused(&table), "accepted");
        let deep_but_fine = format!("x = {}1{}\n", "(".repeat(150), ")".repeat(150));
        assert_eq!(refused(&deep_but_fine), "accepted");
        assert_eq!(
            refused(&format!("x = {}1\n", "1 + ".repeat(1_500))),
            "accepted"
        );
    }

    #[test]
    fn the_grammar_is_that_of_the_version_asked_for() {
        let template = "x = t'{1}'\n";
        assert!(parse(template, PythonVersion::new(3, 14)).is_ok());
        assert!(parse(template, PythonVersion::new(3, 12)).is_err());
        let unparenthesized = "try:\n    pass\nexcept A, B:\n    pass\n";
        assert!(parse(unparenthesized, PythonVersion::new(3, 14)).is_ok());
        assert!(parse(unparenthesized, PythonVersion::new(3, 13)).is_err());
        assert!(parse("print 'x'\n", PythonVersion::new(3, 14)).is_err());
    }
}
