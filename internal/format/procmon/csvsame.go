package procmon

import (
	"bytes"

	"culprit/internal/event"
)

// Half of the columns tell of the process, and say the same in every row of it. A csvSame remembers what the rows of the
// processes said last: a row that says the same repeats the event that was made of it, for a tenth of the time.
type csvSame struct {
	puts   []csvPut
	fields []event.Field
	pid    int      // the cell of the PID
	runs   [][2]int // the cells of puts, those that stand side by side as one: first and last
	known  [512]*csvProcess
}

// A csvProcess is what the rows of a process said.
type csvProcess struct {
	batch, row int // where it was put in full
	runs       [][]byte
}

// processColumn says whether a column tells of the process.
func processColumn(c csvColumn) bool {
	switch c {
	case colProcess, colPID, colImage, colCompany, colDescription, colVersion, colUser, colLogon, colSession, colCommand, colVirtualized,
		colIntegrity, colParent, colArchitecture:
		return true
	}
	return false
}

// newCSVSame takes the puts of the columns that tell of the process, nil if there is no PID among the columns.
func newCSVSame(at [numColumns]int, puts []csvPut) *csvSame {
	if at[colPID] < 0 || len(puts) == 0 {
		return nil
	}
	s := &csvSame{puts: puts, pid: at[colPID]}
	var cells [maxCells + 2]bool
	for _, p := range puts {
		s.fields = append(s.fields, p.field)
		if p.how == putUser {
			s.fields = append(s.fields, event.UserDomain)
		}
		if p.cell > maxCells {
			return nil
		}
		cells[p.cell] = true
	}
	for i := 0; i < len(cells); i++ {
		if !cells[i] {
			continue
		}
		from := i
		for i+1 < len(cells) && cells[i+1] {
			i++
		}
		s.runs = append(s.runs, [2]int{from, i})
	}
	return s
}

// find gives what is remembered of the row's process, and whether the row says the same. It is nil for a row whose PID is
// none.
func (s *csvSame) find(row *csvRow) (p *csvProcess, same bool) {
	pid, ok := wholeNumber(row.raw(s.pid))
	if !ok {
		return nil, false
	}
	slot := &s.known[pid>>2&511]
	if *slot == nil {
		*slot = &csvProcess{runs: make([][]byte, len(s.runs))}
	}
	p = *slot
	same = true
	for i, r := range s.runs {
		text := row.text[row.cells[r[0]].from:row.cells[r[1]].to]
		if !bytes.Equal(text, p.runs[i]) {
			p.runs[i] = append(p.runs[i][:0], text...)
			same = false
		}
	}
	return p, same
}
