//! An entity as a function.

use gaebar_runtime::model::Entity;
use proc_macro2::Span;
use syn::punctuated::Punctuated;
use syn::{Block, Expr, ExprStruct, FieldValue, Generics, Ident, ItemFn, Member, ReturnType, Signature, Stmt, Token, Visibility};

use super::Sidecar;
use super::value::{Values, call, pair, path, path_of, slice, string};
use crate::schema::{Fit, Kind, Type, fit};

/// A row as source text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// `pub fn row_N() -> Kind { … }` and a newline.
    pub text: String,
    /// Blobs it includes.
    pub sidecars: Vec<Sidecar>,
    /// About how many expressions it is made of.
    pub expressions: usize,
}

/// The function that recreates an entity.
pub fn row(kind: &Kind, number: u32, entity: &Entity) -> Row {
    let mut values = Values::default();
    let mut fields = Punctuated::new();
    let mut other = Vec::new();
    fields.push(field("key", call(&["Key"], [string(&entity.key().to_string())])));
    for declared in &kind.fields {
        let Some(value) = entity.properties.get(&declared.property) else {
            if let Type::Bare(_) = declared.ty {
                other.push((&declared.property, path(&["Value", "Absent"])));
            }
            continue;
        };
        let expr = match fit(value, declared) {
            Fit::Bare => values.literal(&value.data),
            Fit::Is => call(&["Is"], [values.literal(&value.data)]),
            Fit::Null => path(&["Null"]),
            Fit::Value => values.value(value),
            Fit::No => {
                other.push((&declared.property, values.value(value)));
                continue;
            }
        };
        fields.push(field(&declared.name, expr));
    }
    for (property, value) in &entity.properties {
        if kind.field(property).is_none() {
            other.push((property, values.value(value)));
        }
    }
    if !other.is_empty() {
        other.sort_by_key(|(property, _)| *property);
        fields.push(field("other", slice(other.into_iter().map(|(property, expr)| pair(property, expr)))));
    }
    let literal = Expr::Struct(ExprStruct {
        attrs: Vec::new(),
        qself: None,
        path: path_of(&[&kind.structure]),
        brace_token: syn::token::Brace::default(),
        fields,
        dot2_token: Some(Token![..](Span::call_site())),
        rest: Some(Box::new(path(&[&kind.structure, "BASE"]))),
    });
    let file = syn::File {
        shebang: None,
        frontmatter: None,
        attrs: Vec::new(),
        items: vec![syn::Item::Fn(function(kind, number, literal))],
    };
    Row { text: prettyplease::unparse(&file), sidecars: values.sidecars, expressions: values.expressions }
}

fn function(kind: &Kind, number: u32, body: Expr) -> ItemFn {
    ItemFn {
        attrs: Vec::new(),
        vis: Visibility::Public(Token![pub](Span::call_site())),
        modifiers: syn::FnModifiers::default(),
        sig: Signature {
            constness: None,
            asyncness: None,
            safety: syn::Safety::Default,
            abi: None,
            fn_token: Token![fn](Span::call_site()),
            ident: Ident::new(&format!("row_{number}"), Span::call_site()),
            generics: Generics::default(),
            paren_token: syn::token::Paren::default(),
            inputs: Punctuated::new(),
            variadic: None,
            output: ReturnType::Type(
                Token![->](Span::call_site()),
                Box::new(syn::Type::Path(syn::TypePath { attrs: Vec::new(), qself: None, path: path_of(&[&kind.structure]) })),
            ),
        },
        block: Box::new(Block { brace_token: syn::token::Brace::default(), stmts: vec![Stmt::Expr(body, None)] }),
    }
}

fn field(name: &str, expr: Expr) -> FieldValue {
    let name = match name.strip_prefix("r#") {
        Some(raw) => Ident::new_raw(raw, Span::call_site()),
        None => Ident::new(name, Span::call_site()),
    };
    FieldValue { attrs: Vec::new(), member: Member::Named(name), colon_token: Some(Token![:](Span::call_site())), expr }
}
