package procmon

// Impersonating in the Detail of a CreateFile is an account. The log has its SID; Process Monitor asks Windows for the name.
// But the process table has the names of the accounts that processes ran as, and a process that was created meanwhile has
// the SID in its Process Create, so the log itself often knows.

// wellKnownAccounts have the same SID everywhere, and on English systems these names.
var wellKnownAccounts = map[string]string{
	"S-1-5-7":  `NT AUTHORITY\ANONYMOUS LOGON`,
	"S-1-5-18": `NT AUTHORITY\SYSTEM`,
	"S-1-5-19": `NT AUTHORITY\LOCAL SERVICE`,
	"S-1-5-20": `NT AUTHORITY\NETWORK SERVICE`,
}

// appendAccount appends the name of an account, or else its SID.
func (r *pmlReader) appendAccount(dst, sid []byte) []byte {
	if r.accounts == nil {
		r.findAccounts()
	}
	if name := r.accounts[string(sid)]; len(name) > 0 {
		return append(dst, name...)
	}
	at := len(dst)
	dst = appendSID(dst, sid)
	if name, ok := wellKnownAccounts[string(dst[at:])]; ok {
		dst = append(dst[:at], name...)
	}
	return dst
}

// findAccounts looks for the SIDs of accounts that processes ran as, once, when the first is asked for. It goes through the
// heads of all events, by windows of its own.
func (r *pmlReader) findAccounts() {
	r.accounts = map[string][]byte{}
	if r.scan != nil {
		return
	}
	var table, win pmlWindow
	table.open(r.win.r, r.size)
	win.open(r.win.r, r.size)
	for i := range int64(r.header.count) {
		at, ok := table.get(r.header.offsets+i*pmlOffsetSize, pmlOffsetSize)
		if !ok {
			return
		}
		off := int64(le.Uint32(at)) | int64(at[4])<<32
		head, ok := win.get(off, pmlEventSize)
		if !ok || le.Uint32(head[8:]) != classProcess {
			continue
		}
		if e := decodePMLEvent(off, head); e.code == opProcessCreate || e.code == opProcessDefined {
			if e.frames <= pmlStackMax && int64(e.size) < recordMax/2 {
				if d, ok := win.get(off+e.detailsAt(r.header.is64), int(e.size)); ok {
					r.learnAccount(d)
				}
			}
		}
	}
}

// learnAccount takes the SID from what a Process Create says, and its name from the process table.
func (r *pmlReader) learnAccount(d []byte) {
	if len(d) < pmlCreateSize || len(d) < pmlCreateSize+int(d[0x2c]) || len(r.accounts) >= pmlProcessMax {
		return
	}
	if p := r.byIndex[le.Uint32(d)]; p != nil && len(p.user) > 0 {
		r.accounts[string(d[pmlCreateSize:pmlCreateSize+int(d[0x2c])])] = p.user
	}
}
