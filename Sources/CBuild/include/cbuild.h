#ifndef CBUILD_H
#define CBUILD_H

/// The commit that the programs were built from: twelve hexadecimal digits, with a `+` behind them where files differed
/// from it. Empty: nobody said so when they were built.
const char *_Nonnull cbuild_commit(void);

#endif
