//! From text to tokens, and the smallest pieces of the grammar.

use proc_macro2::{Span, TokenStream, TokenTree};
use syn::ext::IdentExt as _;
use syn::parse::{ParseStream, Parser as _};
use syn::{Ident, LitByteStr, LitFloat, LitInt, LitStr, Result, Token};

use super::{DEEPEST, GrammarError};

/// Parses a whole text. The tokens' places are kept by the thread until it is done, and no longer.
pub(super) fn parse<T>(text: &str, grammar: impl FnOnce(ParseStream) -> Result<T>) -> std::result::Result<T, GrammarError> {
    let result = tokens(text).and_then(|tokens| grammar.parse2(tokens).map_err(GrammarError::from));
    proc_macro2::extra::invalidate_current_thread_spans();
    result
}

fn tokens(text: &str) -> std::result::Result<TokenStream, GrammarError> {
    let tokens: TokenStream = text.parse().map_err(|error: proc_macro2::LexError| {
        let start = error.span().start();
        GrammarError { line: start.line, column: start.column + 1, problem: "these characters are no Rust".to_owned() }
    })?;
    match too_deep(&tokens) {
        None => Ok(tokens),
        Some(span) => {
            let start = span.start();
            let problem = format!("brackets are nested more than {DEEPEST} deep");
            Err(GrammarError { line: start.line, column: start.column + 1, problem })
        }
    }
}

/// Where brackets are nested too deep. It does without recursion, being what protects the parser's.
fn too_deep(tokens: &TokenStream) -> Option<Span> {
    let mut open = vec![tokens.clone().into_iter()];
    while let Some(innermost) = open.last_mut() {
        match innermost.next() {
            Some(TokenTree::Group(group)) if open.len() >= DEEPEST => return Some(group.span_open()),
            Some(TokenTree::Group(group)) => open.push(group.stream().into_iter()),
            Some(_) => {}
            None => {
                open.pop();
            }
        }
    }
    None
}

/// One of these names, or an error that lists them.
pub(super) fn word(input: ParseStream, expected: &[&str]) -> Result<String> {
    let list = || expected.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    let at = input.span();
    match input.call(Ident::parse_any) {
        Ok(ident) if expected.contains(&ident.to_string().as_str()) => Ok(ident.to_string()),
        Ok(ident) => Err(syn::Error::new(at, format!("found `{ident}`, expected {}", list()))),
        Err(_) => Err(syn::Error::new(at, format!("expected {}", list()))),
    }
}

/// `(…)` with all of its inside read. Where it is broken over lines there is a comma at the end.
pub(super) fn parens<T>(input: ParseStream, inside: impl FnOnce(ParseStream) -> Result<T>) -> Result<T> {
    let content;
    syn::parenthesized!(content in input);
    let value = inside(&content)?;
    content.parse::<Option<Token![,]>>()?;
    end(&content)?;
    Ok(value)
}

/// `{…}` with all of its inside read.
pub(super) fn braces<T>(input: ParseStream, inside: impl FnOnce(ParseStream) -> Result<T>) -> Result<T> {
    let content;
    syn::braced!(content in input);
    let value = inside(&content)?;
    end(&content)?;
    Ok(value)
}

/// `&[…]`: items with commas between them.
pub(super) fn slice<T>(input: ParseStream, mut item: impl FnMut(ParseStream) -> Result<T>) -> Result<Vec<T>> {
    input.parse::<Token![&]>()?;
    let content;
    syn::bracketed!(content in input);
    let mut items = Vec::new();
    while !content.is_empty() {
        items.push(item(&content)?);
        if !content.is_empty() {
            content.parse::<Token![,]>()?;
        }
    }
    Ok(items)
}

/// Nothing more.
pub(super) fn end(input: ParseStream) -> Result<()> {
    if input.is_empty() { Ok(()) } else { Err(input.error("nothing more is expected here")) }
}

/// Reads with `read`, and turns what it minds into an error at that place.
pub(super) fn at<T, E: ToString>(
    input: ParseStream,
    read: impl FnOnce(ParseStream) -> Result<std::result::Result<T, E>>,
) -> Result<T> {
    let span = input.span();
    read(input)?.map_err(|error| syn::Error::new(span, error.to_string()))
}

/// `"text"`, plain or raw.
pub(super) fn text(input: ParseStream) -> Result<String> {
    Ok(plain(input.parse::<LitStr>()?, LitStr::suffix)?.value())
}

/// `b"bytes"`.
pub(super) fn bytes(input: ParseStream) -> Result<Vec<u8>> {
    Ok(plain(input.parse::<LitByteStr>()?, LitByteStr::suffix)?.value())
}

/// `-1`.
pub(super) fn integer(input: ParseStream) -> Result<i64> {
    let negative = input.parse::<Option<Token![-]>>()?.is_some();
    let literal = plain(input.parse::<LitInt>()?, LitInt::suffix)?;
    let magnitude: i128 = literal.base10_parse()?;
    let value = if negative { -magnitude } else { magnitude };
    i64::try_from(value).map_err(|_| syn::Error::new(literal.span(), "the number has more than 64 bits"))
}

/// A `meaning`.
pub(super) fn meaning(input: ParseStream) -> Result<i32> {
    let span = input.span();
    i32::try_from(integer(input)?).map_err(|_| syn::Error::new(span, "a meaning has 32 bits"))
}

/// `0x7ff8000000000001`.
pub(super) fn bits(input: ParseStream) -> Result<f64> {
    Ok(f64::from_bits(plain(input.parse::<LitInt>()?, LitInt::suffix)?.base10_parse()?))
}

/// `-1.5`, `f64::NAN`.
pub(super) fn double(input: ParseStream) -> Result<f64> {
    if input.peek(Ident) {
        word(input, &["f64"])?;
        input.parse::<Token![::]>()?;
        return Ok(match word(input, &["NAN", "INFINITY", "NEG_INFINITY"])?.as_str() {
            "NAN" => f64::NAN,
            "INFINITY" => f64::INFINITY,
            _ => f64::NEG_INFINITY,
        });
    }
    let negative = input.parse::<Option<Token![-]>>()?.is_some();
    let magnitude: f64 = plain(input.parse::<LitFloat>()?, LitFloat::suffix)?.base10_parse()?;
    Ok(if negative { -magnitude } else { magnitude })
}

/// A literal without a suffix such as `_i64`.
fn plain<L: syn::spanned::Spanned>(literal: L, suffix: impl Fn(&L) -> &str) -> Result<L> {
    if suffix(&literal).is_empty() { Ok(literal) } else { Err(syn::Error::new(literal.span(), "a literal has no suffix here")) }
}
