//! One struct a kind.

#![allow(unused_imports)]

mod all_other_types;
mod app2_thing;
mod arrays;
mod attachment;
mod child;
mod crab;
mod document;
mod father;
mod google_account;
mod grand_father;
mod kind_type;
mod kind_type_1303c06b;
mod leaf;
mod letter;
mod moments;
mod nesting;
mod nothing;
mod numbers;
mod o_clock;
mod plastic_man;
mod profile;
mod stra_e;
mod tree;
mod up;

pub use all_other_types::AllOtherTypes;
pub use app2_thing::App2Thing;
pub use arrays::Arrays;
pub use attachment::Attachment;
pub use child::Child;
pub use crab::Crab;
pub use document::Document;
pub use father::Father;
pub use google_account::GoogleAccount;
pub use grand_father::GrandFather;
pub use kind_type::Type;
pub use kind_type_1303c06b::Type_1303c06b;
pub use leaf::Leaf;
pub use letter::Letter;
pub use moments::Moments;
pub use nesting::Nesting;
pub use nothing::Nothing;
pub use numbers::Numbers;
pub use o_clock::OClock;
pub use plastic_man::PlasticMan;
pub use profile::Profile;
pub use stra_e::StraE;
pub use tree::Tree;
pub use up::Up;
