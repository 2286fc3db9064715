use gaebar_runtime::rows::*;
use release_models::Profile;

pub static ROWS: Rows<Profile> = &[
    (1, row_1),
    (2, row_2),
    (3, row_3),
    (4, row_4),
    (5, row_5),
    (6, row_6),
];

pub fn row_1() -> Profile {
    Profile {
        key: Key("Profile/1"),
        friends: &[Key("Profile/2"), Key("Profile/'stephalicious'")],
        full_name: "Narcissus of Thespiae",
        in_relationship_with: Is(Key("Profile/1")),
        joined: Time("2008-12-19T23:59:59.999999Z"),
        ..Profile::BASE
    }
}

pub fn row_2() -> Profile {
    Profile {
        key: Key("Profile/2"),
        friends: &[Key("Profile/'stephalicious'"), Key("Profile/1")],
        full_name: "Aral Balkan",
        in_relationship_with: Is(Key("Profile/'stephalicious'")),
        joined: Time("2008-12-20T10:00:00.123456Z"),
        ..Profile::BASE
    }
}

pub fn row_3() -> Profile {
    Profile {
        key: Key("Profile/'2'"),
        friends: &[],
        full_name: "Not Aral",
        joined: Time("2009-01-01T00:00:00Z"),
        ..Profile::BASE
    }
}

pub fn row_4() -> Profile {
    Profile {
        key: Key("Profile/'id2'"),
        friends: &[Key("Profile/'2'"), Key("Profile/2")],
        full_name: "Not Aral Either",
        in_relationship_with: Null,
        joined: Time("2009-01-02T00:00:00Z"),
        ..Profile::BASE
    }
}

pub fn row_5() -> Profile {
    Profile {
        key: Key("Profile/'stephalicious'"),
        friends: &[Key("Profile/2")],
        full_name: "Stephanie",
        in_relationship_with: Is(Key("Profile/2")),
        joined: Time("2008-12-20T09:30:00Z"),
        ..Profile::BASE
    }
}

pub fn row_6() -> Profile {
    Profile {
        key: Key("{tenant-a}Profile/2"),
        friends: &[Key("{tenant-a}Profile/3"), Key("Profile/2")],
        full_name: "The Other Aral",
        in_relationship_with: Is(Key("{tenant-a}Profile/3")),
        joined: Time("2012-02-29T12:00:00Z"),
        ..Profile::BASE
    }
}
