#ifndef CCOMMIT_H
#define CCOMMIT_H

/// The commit as Package.swift was told it, or empty. Read it by `cbuild_commit`.
extern const char ccommit_text[];

#endif
