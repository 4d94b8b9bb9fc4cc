"""Layout of the tables that compiled code fills: numbers of columns, codes and flags.

They are kept apart from the compiled code, so that reading one does not import the compiler. All positions are
0-based.
"""

from __future__ import annotations

# Copies in `Calls.alleles` that name no allele.
MISSING = -1
ABSENT = -2

# Most alleles of a record, REF included.
MAX_ALLELES = 127

# Columns of the table of records that a decoder fills: where a record starts, and where its text is.
START, ID_BEGIN, ID_END, REF_BEGIN, REF_END, ALT_BEGIN, ALT_END, N_ALLELES, PASSED, TYPED_ONLY = range(10)
TABLE_WIDTH = 10

# How decoding of records ended.
OK = 0
PAST_END = 1
FEW_COLUMNS = 2
NO_POSITION = 3
NOT_SORTED = 4
NO_FIELD = 5
MANY_ALLELES = 6
FEW_INDIVIDUALS = 7
MANY_INDIVIDUALS = 8
BAD_GENOTYPE = 9
MANY_COPIES = 10
UNKNOWN_ALLELE = 11
BAD_NUMBER = 12
WRONG_COUNT = 13
NO_ALLELE = 14
NO_ROOM = 15
NO_SETS = 16
NO_PROBABILITIES = 17
DAMAGED = 20

# Codes of the FORMAT fields that can be decoded.
GENOTYPES, DOSAGES, PROBABILITIES = range(3)

# Phase set of a call that names none.
NO_SET = -1

# Kinds of alleles.
PLAIN, STAR, SYMBOLIC, BREAKEND, OTHER = range(5)
SKIPPED_KINDS = {"star": STAR, "symbolic": SYMBOLIC, "breakend": BREAKEND, "other": OTHER}

# Columns of the table of edits, one row per allele: the span of the record, the bases that change, the bases that
# replace them (in the text), and flags.
RECORD_START, RECORD_END, EDIT_START, EDIT_END, NEW_BEGIN, NEW_END, FLAGS = range(7)
EDIT_WIDTH = 7
SHARES_FIRST = 1  # only inserts or deletes, after a first base that stays
LENGTHENS = 2

# Columns of the tallies, one row per record.
MISSING_CALLS, HALF_MISSING, UNPHASED, OVERLAPPING, SKIPPED = range(5)
TALLY_WIDTH = 5

# Columns of the placements, one row per haplotype.
FIRST, LAST, SKIP, LEFT, RIGHT, LACKS_LEFT, LACKS_RIGHT, MAPPED = range(8)
PLACEMENT_WIDTH = 8
