package procmon

import (
	"strconv"

	"culprit/internal/event"
)

// Detail of process, profiling and network events.
//
//	create     (Create, Defined) see decodePMLCreate
//	start      u32 parent's PID, texts at 4 and 6, u32 characters of the environment, command line, directory, environment;
//	           in version 7 the parent's PID only.
//	exit       (Exit, Process Statistics) u32 status, kernel time, user time, working set, its peak, private bytes, their
//	           peak (8 bytes each).
//	image      base (pointer), u32 size, u16 text, 2 bytes, path
//	thread     create: u32 thread; exit: u32, kernel time, user time
//	profiling  process: user time, kernel time, working set, private bytes; thread: u32 user time, kernel time, context switches
//	system     (System Statistics) u32 bytes of a page, SYSTEM_PERFORMANCE_INFORMATION
//
// No recording with profiling or statistics has its CSV beside it: the layout is from descriptions of the format.

// processText writes the Detail of a process event, and its path; false when its details end too early.
func (r *pmlReader) processText(t *detailWriter, e *pmlEvent, d []byte) bool {
	switch e.code {
	case opProcessDefined, opProcessCreate:
		return r.createText(t)
	case opProcessStart:
		return r.startText(t, d)
	case opProcessExit, opProcessStatistics:
		return r.exitText(t, e.code, d)
	case opThreadCreate:
		if len(d) < 4 {
			return false
		}
		t.plain("Thread ID", event.ProcmonDetailThreadID, int64(le.Uint32(d)))
	case opThreadExit:
		if len(d) < 20 {
			return false
		}
		t.plain("Thread ID", event.ProcmonDetailThreadID, int64(e.thread))
		t.seconds("User Time", event.ProcmonDetailUserTime, le.Uint64(d[12:]), "")
		t.seconds("Kernel Time", event.ProcmonDetailKernelTime, le.Uint64(d[4:]), "")
	case opLoadImage:
		return r.imageText(t, d)
	case opSystemStatistics:
		if len(d) < 316 {
			return false
		}
		t.count("Commit Peak", event.ProcmonDetailCommitPeak, int64(le.Uint32(d))*int64(le.Uint32(d[60:])))
		t.count("System Calls", event.ProcmonDetailSystemCalls, int64(le.Uint32(d[312:])))
		t.count("Context Switches", event.ProcmonDetailContextSwitches, int64(le.Uint32(d[300:])))
	}
	return true
}

func (r *pmlReader) imageText(t *detailWriter, d []byte) bool {
	at := 4
	if r.header.is64 {
		at = 8
	}
	if len(d) < at+8 {
		return false
	}
	base := uint64(le.Uint32(d))
	if r.header.is64 {
		base = le.Uint64(d)
	}
	path, _, ok := textAt(d, at+4, at+8)
	r.path = path.append(r.path)
	size := le.Uint32(d[at:])
	t.hex("Image Base", event.ProcmonDetailImageBase, base)
	t.key("Image Size")
	t.text = strconv.AppendUint(append(t.text, "0x"...), uint64(size), 16)
	t.long(event.ProcmonDetailImageSize, int64(size))
	return ok
}

// textAt finds a text whose length stands at one place and whose characters begin at another.
func textAt(d []byte, lengthAt, textAt int) (pmlText, int, bool) {
	return detailText(d, textAt, le.Uint16(d[lengthAt:]))
}

func (r *pmlReader) createText(t *detailWriter) bool {
	if r.child == nil {
		return false
	}
	r.path = append(r.path, r.child.path...)
	t.plain("PID", event.ProcmonDetailPID, int64(r.child.pid))
	at := t.key("Command line")
	t.text = append(t.text, r.child.command...)
	t.keep(event.ProcmonDetailCommandLine, at)
	return true
}

func (r *pmlReader) startText(t *detailWriter, d []byte) bool {
	if len(d) < 4 {
		return false
	}
	t.plain("Parent PID", event.ProcmonDetailParentPID, int64(le.Uint32(d)))
	if len(d) < 12 {
		return len(d) == 4 // version 7
	}
	command, next, ok := detailText(d, 12, le.Uint16(d[4:]))
	directory, next, ok2 := detailText(d, next, le.Uint16(d[6:]))
	if !ok || !ok2 {
		return false
	}
	t.driver("Command line", event.ProcmonDetailCommandLine, command)
	at := t.key("Current directory")
	t.text = directory.append(t.text)
	t.keep(event.ProcmonDetailCurrentDirectory, at)
	t.keep(event.ProcessWorkingDirectory, at)
	if !t.want.Has(event.ProcmonDetailText) && !t.want.Has(event.ProcmonDetailEnvironment) {
		return true
	}
	n := 2 * int64(le.Uint32(d[8:]))
	ok = n <= int64(len(d)-next)
	at = t.key("Environment")
	for env := d[next : next+int(min(n, int64(len(d)-next)))]; len(env) >= 2; {
		entry := untilNUL(env)
		if len(entry) == 0 {
			break
		}
		env = env[min(len(entry)+2, len(env)):]
		t.text = appendUTF16(append(t.text, "\r;\t"...), entry)
	}
	t.keep(event.ProcmonDetailEnvironment, at)
	return ok
}

func (r *pmlReader) exitText(t *detailWriter, code uint16, d []byte) bool {
	if len(d) < 52 {
		return false
	}
	status := int64(int32(le.Uint32(d))) // Process Monitor shows NTSTATUS codes signed
	if code == opProcessExit {
		t.long(event.ProcessExitCode, status)
	}
	t.plain("Exit Status", event.ProcmonDetailExitStatus, status)
	t.seconds("User Time", event.ProcmonDetailUserTime, le.Uint64(d[12:]), " seconds")
	t.seconds("Kernel Time", event.ProcmonDetailKernelTime, le.Uint64(d[4:]), " seconds")
	t.count("Private Bytes", event.ProcmonDetailPrivateBytes, int64(le.Uint64(d[36:])))
	t.count("Peak Private Bytes", event.ProcmonDetailPeakPrivateBytes, int64(le.Uint64(d[44:])))
	t.count("Working Set", event.ProcmonDetailWorkingSet, int64(le.Uint64(d[20:])))
	t.count("Peak Working Set", event.ProcmonDetailPeakWorkingSet, int64(le.Uint64(d[28:])))
	return true
}

func profilingText(t *detailWriter, code uint16, d []byte) bool {
	switch code {
	case opThreadProfiling:
		if len(d) < 12 {
			return false
		}
		t.seconds("User Time", event.ProcmonDetailUserTime, uint64(le.Uint32(d)), " seconds")
		t.seconds("Kernel Time", event.ProcmonDetailKernelTime, uint64(le.Uint32(d[4:])), " seconds")
		t.count("Context Switches", event.ProcmonDetailContextSwitches, int64(le.Uint32(d[8:])))
	case opProcessProfiling:
		if len(d) < 32 {
			return false
		}
		t.seconds("User Time", event.ProcmonDetailUserTime, le.Uint64(d), " seconds")
		t.seconds("Kernel Time", event.ProcmonDetailKernelTime, le.Uint64(d[8:]), " seconds")
		t.count("Private Bytes", event.ProcmonDetailPrivateBytes, int64(le.Uint64(d[24:])))
		t.count("Working Set", event.ProcmonDetailWorkingSet, int64(le.Uint64(d[16:])))
	}
	return true
}
