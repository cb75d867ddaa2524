package ingest

import "culprit/internal/format"

// Formats is every format culprit reads. Their Match functions are disjoint: a test tries each on the others' files.
var Formats = []*format.Format{}
