//! A backup, as code: each row of its volumes recreates one entity.

use gaebar_runtime::rows::{Backup, Volume};

/// All rows.
pub static BACKUP: Backup = Backup {
    name: "backup",
    volumes: &[
        Volume { name: "all_other_types_0", shards: backup_all_other_types_0::SHARDS },
        Volume { name: "app2_thing_0", shards: backup_app2_thing_0::SHARDS },
        Volume { name: "arrays_0", shards: backup_arrays_0::SHARDS },
        Volume { name: "attachment_0", shards: backup_attachment_0::SHARDS },
        Volume { name: "child_0", shards: backup_child_0::SHARDS },
        Volume { name: "crab_0", shards: backup_crab_0::SHARDS },
        Volume { name: "document_0", shards: backup_document_0::SHARDS },
        Volume { name: "father_0", shards: backup_father_0::SHARDS },
        Volume { name: "google_account_0", shards: backup_google_account_0::SHARDS },
        Volume { name: "grand_father_0", shards: backup_grand_father_0::SHARDS },
        Volume { name: "kind_type_0", shards: backup_kind_type_0::SHARDS },
        Volume { name: "kind_type_1303c06b_0", shards: backup_kind_type_1303c06b_0::SHARDS },
        Volume { name: "leaf_0", shards: backup_leaf_0::SHARDS },
        Volume { name: "letter_0", shards: backup_letter_0::SHARDS },
        Volume { name: "moments_0", shards: backup_moments_0::SHARDS },
        Volume { name: "nesting_0", shards: backup_nesting_0::SHARDS },
        Volume { name: "nothing_0", shards: backup_nothing_0::SHARDS },
        Volume { name: "numbers_0", shards: backup_numbers_0::SHARDS },
        Volume { name: "o_clock_0", shards: backup_o_clock_0::SHARDS },
        Volume { name: "plastic_man_0", shards: backup_plastic_man_0::SHARDS },
        Volume { name: "profile_0", shards: backup_profile_0::SHARDS },
        Volume { name: "stra_e_0", shards: backup_stra_e_0::SHARDS },
        Volume { name: "tree_0", shards: backup_tree_0::SHARDS },
        Volume { name: "up_0", shards: backup_up_0::SHARDS },
    ],
};
