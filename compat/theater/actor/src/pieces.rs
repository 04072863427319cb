//! The engine's files on whole files: each write is a file of its own.
//!
//! A file `00000001.jsonl` of the engine is the empty file of that name and its
//! pieces, `00000001.jsonl.000000000000-000000000078` and so on: the bytes from 0
//! to 78. A piece is as long as its name says, or a kill has cut it short. In the
//! order of their names, the pieces are the file: `cat 00000001.jsonl.*`.

use crate::whole_files::WholeFiles;
use kv_engine::files::{Access, File, FileError, FileErrorKind, Files};
use std::cell::RefCell;
use std::rc::Rc;

/// A directory of files that are made of pieces.
#[derive(Debug)]
pub struct PiecedFiles<W> {
    whole: Rc<W>,
}

/// One of its files.
#[derive(Debug)]
pub struct PiecedFile<W> {
    whole: Rc<W>,
    name: String,
    access: Access,
    /// What there is of it, in order, with no gap.
    pieces: Vec<Piece>,
    /// Pieces that do not count: cut short, or behind one that is.
    strays: Vec<Piece>,
    /// The piece that was read last, and its content.
    read: RefCell<Option<(Piece, Vec<u8>)>>,
}

/// The bytes of a file that a piece is named for, and those that it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Piece {
    begin: u64,
    named_end: u64,
    end: u64,
}

impl Piece {
    fn file_name(self, of: &str) -> String {
        format!("{of}.{:012}-{:012}", self.begin, self.named_end)
    }

    /// The file and the piece of it that a name stands for.
    fn parse(name: &str) -> Option<(&str, Self)> {
        let (of, range) = name.rsplit_once('.')?;
        let (begin, end) = range.split_once('-')?;
        let number = |digits: &str| {
            let plain = digits.len() >= 12 && digits.bytes().all(|digit| digit.is_ascii_digit());
            plain.then(|| digits.parse().ok()).flatten()
        };
        let (begin, end) = (number(begin)?, number(end)?);
        let piece = Self {
            begin,
            named_end: end,
            end,
        };
        (begin < end).then_some((of, piece))
    }
}

impl<W: WholeFiles> PiecedFiles<W> {
    /// The files in a directory.
    pub fn new(whole: W) -> Self {
        Self {
            whole: Rc::new(whole),
        }
    }

    fn pieces(&self, operation: &'static str, name: &str) -> Result<Vec<Piece>, FileError> {
        let names = self.whole.list();
        let names = names.map_err(|e| other(operation, name, e))?;
        let mut pieces: Vec<_> = names
            .iter()
            .filter_map(|file| Piece::parse(file))
            .filter_map(|(of, piece)| (of == name).then_some(piece))
            .collect();
        // Of two that begin together, the longer one comes first.
        pieces.sort_by_key(|piece| (piece.begin, std::cmp::Reverse(piece.end)));
        Ok(pieces)
    }

    fn check_exists(&self, operation: &'static str, name: &str) -> Result<(), FileError> {
        if self.exists(name)? {
            return Ok(());
        }
        Err(FileError {
            operation,
            name: name.to_owned(),
            kind: FileErrorKind::NotFound,
            detail: "there is no such file".to_owned(),
        })
    }

    fn file(&self, name: &str, access: Access) -> PiecedFile<W> {
        PiecedFile {
            whole: Rc::clone(&self.whole),
            name: name.to_owned(),
            access,
            pieces: Vec::new(),
            strays: Vec::new(),
            read: RefCell::new(None),
        }
    }
}

impl<W: WholeFiles> Files for PiecedFiles<W> {
    type File = PiecedFile<W>;

    fn list(&self) -> Result<Vec<String>, FileError> {
        let mut names = self.whole.list().map_err(|e| other("list", "", e))?;
        names.retain(|name| Piece::parse(name).is_none());
        Ok(names)
    }

    /// Of several callers at once, all may succeed: the runtime can't say that a
    /// file must be new.
    fn create(&self, name: &str) -> Result<PiecedFile<W>, FileError> {
        check_name("create", name)?;
        if self.exists(name)? {
            return Err(FileError {
                operation: "create",
                name: name.to_owned(),
                kind: FileErrorKind::AlreadyExists,
                detail: "there is such a file".to_owned(),
            });
        }
        // What is left of an earlier file of this name.
        for piece in self.pieces("create", name)? {
            delete(&*self.whole, "create", &piece.file_name(name))?;
        }
        let created = self.whole.write(name, "");
        created.map_err(|e| other("create", name, e))?;
        Ok(self.file(name, Access::ReadWrite))
    }

    fn open(&self, name: &str, access: Access) -> Result<PiecedFile<W>, FileError> {
        check_name("open", name)?;
        self.check_exists("open", name)?;
        let mut file = self.file(name, access);
        for piece in self.pieces("open", name)? {
            if piece.begin == file.end() {
                file.pieces.push(piece);
            } else {
                file.strays.push(piece);
            }
        }
        file.leave_out_unfinished()?;
        Ok(file)
    }

    fn exists(&self, name: &str) -> Result<bool, FileError> {
        check_name("look-up", name)?;
        let exists = self.whole.exists(name);
        exists.map_err(|e| other("look-up", name, e))
    }

    fn rename(&self, from: &str, _: &str) -> Result<(), FileError> {
        self.check_exists("rename", from)?;
        let detail = "this runtime can't rename files".to_owned();
        Err(other("rename", from, detail))
    }

    fn remove(&self, name: &str) -> Result<(), FileError> {
        check_name("remove", name)?;
        self.check_exists("remove", name)?;
        // The name first: a kill leaves pieces of no file.
        delete(&*self.whole, "remove", name)?;
        for piece in self.pieces("remove", name)? {
            delete(&*self.whole, "remove", &piece.file_name(name))?;
        }
        Ok(())
    }

    /// The runtime has no sync: what power loss takes, it takes.
    fn sync_directory(&self) -> Result<(), FileError> {
        Ok(())
    }
}

impl<W: WholeFiles> PiecedFile<W> {
    fn end(&self) -> u64 {
        self.pieces.last().map_or(0, |piece| piece.end)
    }

    /// A kill cuts the last write short; a power loss, some of the last. What
    /// there is of the first of them is left to the engine, to tell of.
    fn leave_out_unfinished(&mut self) -> Result<(), FileError> {
        let mut unfinished = None;
        while let Some(mut piece) = self.pieces.pop() {
            let has = self.content(piece)?;
            if piece.begin + has == piece.named_end {
                self.pieces.push(piece);
                break;
            }
            self.strays.extend(unfinished);
            piece.end = piece.begin + has.min(piece.named_end - piece.begin);
            unfinished = Some(piece);
        }
        self.pieces.extend(unfinished);
        Ok(())
    }

    /// Reads a piece, and tells how many bytes it has.
    fn content(&self, piece: Piece) -> Result<u64, FileError> {
        let read = self.read.borrow();
        if let Some((present, content)) = &*read
            && *present == piece
        {
            return Ok(content.len() as u64);
        }
        drop(read);
        let file_name = piece.file_name(&self.name);
        let content = self.whole.read(&file_name);
        let content = content.map_err(|e| other("read", &file_name, e))?;
        let bytes = content.len() as u64;
        self.read.replace(Some((piece, content)));
        Ok(bytes)
    }

    fn write_piece(&mut self, begin: u64, bytes: &[u8]) -> Result<Piece, FileError> {
        let end = begin + bytes.len() as u64;
        let piece = Piece {
            begin,
            named_end: end,
            end,
        };
        let text = std::str::from_utf8(bytes);
        let text = text.map_err(|e| other("write", &self.name, e.to_string()))?;
        let file_name = piece.file_name(&self.name);
        let written = self.whole.write(&file_name, text);
        written.map_err(|e| {
            self.strays.push(piece);
            other("write", &file_name, e)
        })?;
        Ok(piece)
    }

    fn check_access(&self, operation: &'static str) -> Result<(), FileError> {
        if self.access == Access::ReadWrite {
            return Ok(());
        }
        Err(FileError {
            operation,
            name: self.name.clone(),
            kind: FileErrorKind::ReadOnly,
            detail: "it was opened for reading".to_owned(),
        })
    }
}

impl<W: WholeFiles> File for PiecedFile<W> {
    fn length(&self) -> Result<u64, FileError> {
        Ok(self.end())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, FileError> {
        let mut filled = 0;
        let first = self.pieces.partition_point(|piece| piece.end <= offset);
        for piece in &self.pieces[first..] {
            if filled == buffer.len() {
                break;
            }
            let has = self.content(*piece)?;
            if piece.begin + has < piece.end {
                let detail = format!("it has {has} bytes, not those of its name");
                return Err(other("read", &piece.file_name(&self.name), detail));
            }
            let read = self.read.borrow();
            let content = read.as_ref().map_or(&[][..], |(_, content)| content);
            let skipped = usize::try_from(offset + filled as u64 - piece.begin).unwrap_or(0);
            let length = usize::try_from(piece.end - piece.begin).unwrap_or(usize::MAX);
            let rest = &content[skipped..length.min(content.len())];
            let count = rest.len().min(buffer.len() - filled);
            buffer[filled..filled + count].copy_from_slice(&rest[..count]);
            filled += count;
        }
        Ok(filled)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), FileError> {
        self.check_access("write")?;
        if offset != self.end() {
            let detail = format!("this runtime's files grow at their end, {}", self.end());
            return Err(other("write", &self.name, detail));
        }
        if !bytes.is_empty() {
            let piece = self.write_piece(offset, bytes)?;
            self.pieces.push(piece);
        }
        Ok(())
    }

    fn set_length(&mut self, length: u64) -> Result<(), FileError> {
        self.check_access("cut")?;
        if length > self.end() {
            let detail = "this runtime's files grow by what is written alone".to_owned();
            return Err(other("cut", &self.name, detail));
        }
        let kept = self.pieces.partition_point(|piece| piece.end <= length);
        // An unfinished piece that stays whole keeps a name that is too long.
        let kept = kept.min(
            self.pieces
                .iter()
                .position(|piece| piece.end < piece.named_end)
                .unwrap_or(kept),
        );
        let mut surplus = self.pieces.split_off(kept);
        if let Some(split) = surplus.first().copied()
            && split.begin < length
        {
            self.content(split)?;
            let read = self.read.borrow();
            let content = read.as_ref().map_or(&[][..], |(_, content)| content);
            let begun = usize::try_from(length - split.begin).unwrap_or(usize::MAX);
            let begun = content[..begun.min(content.len())].to_vec();
            drop(read);
            let piece = self.write_piece(split.begin, &begun)?;
            self.pieces.push(piece);
        }
        self.strays.append(&mut surplus);
        // The last first: what a kill leaves is a beginning.
        self.strays.sort_by_key(|piece| piece.begin);
        while let Some(piece) = self.strays.pop() {
            if let Err(e) = delete(&*self.whole, "cut", &piece.file_name(&self.name)) {
                self.strays.push(piece);
                return Err(e);
            }
        }
        Ok(())
    }

    /// The runtime has no sync: what power loss takes, it takes.
    fn sync(&mut self) -> Result<(), FileError> {
        Ok(())
    }
}

/// Deletes a file, if it is there.
fn delete<W: WholeFiles>(
    whole: &W,
    operation: &'static str,
    file_name: &str,
) -> Result<(), FileError> {
    let failed = |e| other(operation, file_name, e);
    if whole.exists(file_name).map_err(failed)? {
        whole.delete(file_name).map_err(failed)?;
    }
    Ok(())
}

/// The directory is flat, and no name is taken for a piece.
fn check_name(operation: &'static str, name: &str) -> Result<(), FileError> {
    let flat = !name.is_empty() && !name.contains(['/', '\\']) && name != "." && name != "..";
    if flat && Piece::parse(name).is_none() {
        return Ok(());
    }
    Err(FileError {
        operation,
        name: name.to_owned(),
        kind: FileErrorKind::NotAFile,
        detail: "a file's name must not lead out of its directory, nor name a piece".to_owned(),
    })
}

fn other(operation: &'static str, name: &str, detail: String) -> FileError {
    FileError {
        operation,
        name: name.to_owned(),
        kind: FileErrorKind::Other,
        detail,
    }
}
