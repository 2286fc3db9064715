//! A backup, as code: each row of its volumes recreates one entity.

use gaebar_runtime::rows::{Backup, Volume};

/// All rows.
pub static BACKUP: Backup = Backup {
    name: "release",
    volumes: &[
        Volume { name: "all_other_types_0", shards: release_all_other_types_0::SHARDS },
        Volume { name: "app2_thing_0", shards: release_app2_thing_0::SHARDS },
        Volume { name: "arrays_0", shards: release_arrays_0::SHARDS },
        Volume { name: "attachment_0", shards: release_attachment_0::SHARDS },
        Volume { name: "child_0", shards: release_child_0::SHARDS },
        Volume { name: "crab_0", shards: release_crab_0::SHARDS },
        Volume { name: "document_0", shards: release_document_0::SHARDS },
        Volume { name: "father_0", shards: release_father_0::SHARDS },
        Volume { name: "google_account_0", shards: release_google_account_0::SHARDS },
        Volume { name: "grand_father_0", shards: release_grand_father_0::SHARDS },
        Volume { name: "kind_type_0", shards: release_kind_type_0::SHARDS },
        Volume { name: "kind_type_1303c06b_0", shards: release_kind_type_1303c06b_0::SHARDS },
        Volume { name: "leaf_0", shards: release_leaf_0::SHARDS },
        Volume { name: "letter_0", shards: release_letter_0::SHARDS },
        Volume { name: "moments_0", shards: release_moments_0::SHARDS },
        Volume { name: "nesting_0", shards: release_nesting_0::SHARDS },
        Volume { name: "nothing_0", shards: release_nothing_0::SHARDS },
        Volume { name: "numbers_0", shards: release_numbers_0::SHARDS },
        Volume { name: "o_clock_0", shards: release_o_clock_0::SHARDS },
        Volume { name: "plastic_man_0", shards: release_plastic_man_0::SHARDS },
        Volume { name: "profile_0", shards: release_profile_0::SHARDS },
        Volume { name: "stra_e_0", shards: release_stra_e_0::SHARDS },
        Volume { name: "tree_0", shards: release_tree_0::SHARDS },
        Volume { name: "up_0", shards: release_up_0::SHARDS },
    ],
};
