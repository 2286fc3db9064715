//! Lays a row out as prettyplease would, which a test holds against it; without its syntax tree, which costs ten times as much.
//!
//! What is written is text, with marks in it: where a group begins and ends, and where a line may be broken. A group stays on its line if
//! it fits with all that follows up to the next place for a break; otherwise each of its breaks becomes a new line. Widths are bytes.

/// Bytes that a line may have.
const MARGIN: isize = 89;
/// Bytes that a line has room for however deep it is indented.
const LEAST: isize = 60;
/// Spaces of a level.
const INDENT: isize = 4;
/// A struct literal wider than this is broken even if it fits.
const WIDEST_STRUCT: usize = 34;

/// How a group that does not fit is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Group {
    /// At each of its breaks, one level deeper.
    List,
    /// The same, if it is wide at all.
    Struct,
    /// Where a line is full, on the same level.
    Fill,
}

/// What a break is, on one line and between two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Break {
    /// Whether it is a space on one line.
    pub(super) blank: bool,
    /// Whether it puts a comma before a new line.
    pub(super) comma: bool,
    /// Whether the new line is on the level outside of the group.
    pub(super) outside: bool,
}

/// After an opening bracket.
pub(super) const FIRST: Break = Break { blank: false, comma: false, outside: false };
/// After a comma.
pub(super) const NEXT: Break = Break { blank: true, ..FIRST };
/// Before a closing bracket.
pub(super) const LAST: Break = Break { comma: true, outside: true, ..FIRST };

#[derive(Debug, Clone, Copy)]
struct Mark {
    /// Where it stands in the text.
    at: usize,
    /// The width of all before it, on one line.
    width: usize,
    what: What,
}

#[derive(Debug, Clone, Copy)]
enum What {
    /// A group begins; the mark with this number ends it.
    Open(Group, usize),
    Close,
    Break(Break),
}

/// A text that is being laid out.
#[derive(Debug, Default)]
pub(super) struct Layout {
    text: String,
    /// Breaks so far that are spaces on one line.
    blanks: usize,
    marks: Vec<Mark>,
    /// The groups that have begun.
    open: Vec<usize>,
}

impl Layout {
    /// Adds text, which is never broken.
    pub(super) fn word(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// The text, to add to.
    pub(super) fn text(&mut self) -> &mut String {
        &mut self.text
    }

    /// Begins a group.
    pub(super) fn open(&mut self, group: Group) {
        self.open.push(self.marks.len());
        self.mark(What::Open(group, 0));
    }

    /// Ends the group that began last.
    pub(super) fn close(&mut self) {
        let end = self.marks.len();
        if let Some(Mark { what: What::Open(_, close), .. }) = self.open.pop().and_then(|open| self.marks.get_mut(open)) {
            *close = end;
        }
        self.mark(What::Close);
    }

    /// Here the line may be broken.
    pub(super) fn brk(&mut self, brk: Break) {
        self.mark(What::Break(brk));
        self.blanks += usize::from(brk.blank);
    }

    fn mark(&mut self, what: What) {
        self.marks.push(Mark { at: self.text.len(), width: self.text.len() + self.blanks, what });
    }

    /// The text on one line.
    pub(super) fn on_one_line(self) -> String {
        let mut out = String::with_capacity(self.text.len() + self.blanks);
        let mut from = 0;
        for Mark { at, what, .. } in self.marks {
            out.push_str(&self.text[from..at]);
            from = at;
            if let What::Break(Break { blank: true, .. }) = what {
                out.push(' ');
            }
        }
        out.push_str(&self.text[from..]);
        out
    }

    /// Writes the text, broken, on a level.
    pub(super) fn write(&self, out: &mut String, level: isize) {
        let next_breaks = self.next_breaks();
        let (mut indent, mut room) = (level * INDENT, room_at(level * INDENT));
        // Whether each group that has begun is broken, and the indentation outside of it.
        let mut groups: Vec<(Group, bool, isize)> = Vec::new();
        let mut from = 0;
        spaces(out, indent);
        for (mark, next_break) in self.marks.iter().zip(&next_breaks) {
            let text = &self.text[from..mark.at];
            from = mark.at;
            out.push_str(text);
            room -= signed(text.len());
            match mark.what {
                What::Open(group, close) => {
                    let own = self.marks[close].width - mark.width;
                    let is_wide = group == Group::Struct && own > WIDEST_STRUCT;
                    let is_broken = is_wide || signed(next_breaks[close] - mark.width) > room;
                    groups.push((group, is_broken, indent));
                    if is_broken && group != Group::Fill {
                        indent += INDENT;
                    }
                }
                What::Close => indent = groups.pop().map_or(indent, |(.., outside)| outside),
                What::Break(Break { blank, comma, outside }) => {
                    let stays = match groups.last() {
                        Some((Group::Fill, true, _)) => signed(next_break - mark.width) <= room,
                        Some((_, is_broken, _)) => !is_broken,
                        None => true,
                    };
                    if stays {
                        if blank {
                            out.push(' ');
                            room -= 1;
                        }
                        continue;
                    }
                    if comma {
                        out.push(',');
                    }
                    out.push('\n');
                    let indent = if outside { indent - INDENT } else { indent };
                    spaces(out, indent);
                    room = room_at(indent);
                }
            }
        }
        out.push_str(&self.text[from..]);
    }

    /// For each mark the width of all before the next break past it.
    fn next_breaks(&self) -> Vec<usize> {
        let mut next = self.text.len() + self.blanks;
        let mut all = vec![0; self.marks.len()];
        for (mark, place) in self.marks.iter().zip(&mut all).rev() {
            *place = next;
            if let What::Break(_) = mark.what {
                next = mark.width;
            }
        }
        all
    }
}

fn room_at(indent: isize) -> isize {
    (MARGIN - indent).max(LEAST)
}

fn signed(width: usize) -> isize {
    // No text is half of all memory.
    width.cast_signed()
}

fn spaces(out: &mut String, indent: isize) {
    out.extend(std::iter::repeat_n(' ', indent.unsigned_abs()));
}
