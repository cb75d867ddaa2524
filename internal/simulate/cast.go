package simulate

import (
	"net/netip"
	"time"
)

// A Process is one run of one image.
type Process struct {
	Name    string
	PID     int
	Parent  int // index into Case.Processes, -1 for none
	Path    string
	Command string
	User    string
	Session int
	Company string
	Title   string
	Version string
	Start   time.Duration // since Params.Start; negative: before the recording
	End     time.Duration // 0: still running
}

// Indices of the processes the story needs, in the order of cast.
const (
	pSystem = iota
	pServices
	pLsass
	pDcomLaunch
	pDnscache
	pUpdate
	pSSDP
	pDelivery
	pDefender
	pExplorer
	pOneDrive
	pTeams
	pSearch
	pChrome
	pChromeNet
	pProcmon
	pDumpcap
	pBroker
	pTask
	pSmartScreen
)

const (
	microsoft = "Microsoft Corporation"
	win       = "10.0.19041.1806 (WinBuild.160101.0800)"
	system    = `NT AUTHORITY\SYSTEM`
	netSvc    = `NT AUTHORITY\NETWORK SERVICE`
	locSvc    = `NT AUTHORITY\LOCAL SERVICE`
)

// cast gives the processes of a run of length d on a host. The last two have the same PID, one after the other.
func cast(host string, d time.Duration) []Process {
	me := host + `\ana`
	svchost := func(pid int, args, user string) Process {
		const path = `C:\WINDOWS\system32\svchost.exe`
		return Process{
			Name: "svchost.exe", PID: pid, Parent: pServices, Path: path, Command: path + " " + args, User: user,
			Company: microsoft, Title: "Host Process for Windows Services", Version: win,
		}
	}
	at := func(part float64) time.Duration { return time.Duration(float64(d) * part) }
	ps := []Process{
		{Name: "System", PID: 4, Parent: -1, Path: "System", User: system, Company: microsoft, Title: "NT Kernel & System", Version: win},
		{Name: "services.exe", PID: 708, Parent: pSystem, Path: `C:\WINDOWS\system32\services.exe`, Command: `C:\WINDOWS\system32\services.exe`, User: system, Company: microsoft, Title: "Services and Controller app", Version: win},
		{Name: "lsass.exe", PID: 728, Parent: pSystem, Path: `C:\WINDOWS\system32\lsass.exe`, Command: `C:\WINDOWS\system32\lsass.exe`, User: system, Company: microsoft, Title: "Local Security Authority Process", Version: win},
		svchost(932, "-k DcomLaunch -p", system),
		svchost(1988, "-k NetworkService -p -s Dnscache", netSvc),
		svchost(1516, "-k netsvcs -p -s wuauserv", system),
		svchost(2940, "-k LocalServiceAndNoImpersonation -p -s SSDPSRV", locSvc),
		svchost(5480, "-k NetworkService -p -s DoSvc", netSvc),
		{Name: "MsMpEng.exe", PID: 3312, Parent: pServices, Path: `C:\ProgramData\Microsoft\Windows Defender\Platform\4.18.2205.7-0\MsMpEng.exe`, Command: `"C:\ProgramData\Microsoft\Windows Defender\Platform\4.18.2205.7-0\MsMpEng.exe"`, User: system, Company: microsoft, Title: "Antimalware Service Executable", Version: "4.18.2205.7 (GitEnlistment(winpbld).220519-1230)"},
		{Name: "Explorer.EXE", PID: 5124, Parent: pSystem, Path: `C:\WINDOWS\Explorer.EXE`, Command: `C:\WINDOWS\Explorer.EXE`, User: me, Session: 1, Company: microsoft, Title: "Windows Explorer", Version: win},
		{Name: "OneDrive.exe", PID: 8236, Parent: pExplorer, Path: `C:\Users\ana\AppData\Local\Microsoft\OneDrive\OneDrive.exe`, Command: `"C:\Users\ana\AppData\Local\Microsoft\OneDrive\OneDrive.exe" /background`, User: me, Session: 1, Company: microsoft, Title: "Microsoft OneDrive", Version: "22.151.0717.0001"},
		{Name: "Teams.exe", PID: 9904, Parent: pExplorer, Path: `C:\Users\ana\AppData\Local\Microsoft\Teams\current\Teams.exe`, Command: `"C:\Users\ana\AppData\Local\Microsoft\Teams\current\Teams.exe" --system-initiated`, User: me, Session: 1, Company: microsoft, Title: "Microsoft Teams", Version: "1.5.00.21463"},
		{Name: "SearchApp.exe", PID: 6652, Parent: pDcomLaunch, Path: `C:\WINDOWS\SystemApps\Microsoft.Windows.Search_cw5n1h2txyewy\SearchApp.exe`, Command: `"C:\WINDOWS\SystemApps\Microsoft.Windows.Search_cw5n1h2txyewy\SearchApp.exe" -ServerName:CortanaUI.AppX8z9r6jm96hw4bsbneegw0kyxx296wr9t.mca`, User: me, Session: 1, Company: microsoft, Title: "Search application", Version: win},
		{Name: "chrome.exe", PID: 7012, Parent: pExplorer, Path: `C:\Program Files\Google\Chrome\Application\chrome.exe`, Command: `"C:\Program Files\Google\Chrome\Application\chrome.exe" `, User: me, Session: 1, Company: "Google LLC", Title: "Google Chrome", Version: "103.0.5060.134"},
		{Name: "chrome.exe", PID: 7348, Parent: pChrome, Path: `C:\Program Files\Google\Chrome\Application\chrome.exe`, Command: `"C:\Program Files\Google\Chrome\Application\chrome.exe" --type=utility --utility-sub-type=network.mojom.NetworkService --lang=en-US`, User: me, Session: 1, Company: "Google LLC", Title: "Google Chrome", Version: "103.0.5060.134"},
		{Name: "Procmon64.exe", PID: 10212, Parent: pExplorer, Path: `C:\Users\ana\Downloads\Procmon64.exe`, Command: `"C:\Users\ana\Downloads\Procmon64.exe" `, User: me, Session: 1, Company: "Sysinternals - www.sysinternals.com", Title: "Process Monitor", Version: "3.91"},
		{Name: "dumpcap.exe", PID: 10760, Parent: pExplorer, Path: `C:\Program Files\Wireshark\dumpcap.exe`, Command: `"C:\Program Files\Wireshark\dumpcap.exe" -n -i \Device\NPF_{5D0F1C0B-93B5-4C43-8C36-6E1E7D0B4B5D} -y EN10MB -Z 10120`, User: me, Session: 1, Company: "The Wireshark developer community", Title: "Dumpcap", Version: "3.6.7"},
		{Name: "Microsoft.AAD.BrokerPlugin.exe", PID: 11044, Parent: pDcomLaunch, Path: `C:\WINDOWS\SystemApps\Microsoft.AAD.BrokerPlugin_cw5n1h2txyewy\Microsoft.AAD.BrokerPlugin.exe`, Command: `"C:\WINDOWS\SystemApps\Microsoft.AAD.BrokerPlugin_cw5n1h2txyewy\Microsoft.AAD.BrokerPlugin.exe" -ServerName:App.AppXhz7ky1b9c7q2bz1p1wyrnqkfe0ze8wpr.mca`, User: me, Session: 1, Company: microsoft, Title: "Microsoft.AAD.BrokerPlugin", Version: win, Start: at(0.28)},
		{Name: "backgroundTaskHost.exe", PID: 12096, Parent: pDcomLaunch, Path: `C:\WINDOWS\system32\backgroundTaskHost.exe`, Command: `"C:\WINDOWS\system32\backgroundTaskHost.exe" -ServerName:App.AppXmtcan0h2tfbfy7k9kn8hbxb6dmzz1zh0.mca`, User: me, Session: 1, Company: microsoft, Title: "Background Task Host", Version: win, Start: at(0.06), End: at(0.21)},
		{Name: "smartscreen.exe", PID: 12096, Parent: pDcomLaunch, Path: `C:\Windows\System32\smartscreen.exe`, Command: `C:\Windows\System32\smartscreen.exe -Embedding`, User: me, Session: 1, Company: microsoft, Title: "Windows Defender SmartScreen", Version: win, Start: at(0.45), End: at(0.93)},
	}
	for i := range ps {
		if ps[i].Start == 0 {
			ps[i].Start = -time.Duration(3600*4-97*i) * time.Second
		}
	}
	return ps
}

// A Server is a machine that is talked to.
type Server struct {
	Name  string   // that programs ask for
	Alias []string // CNAMEs on the way to the address
	Addr  netip.AddrPort
	PTR   string // reverse name, "" for none
	users []int  // processes that talk to it
}

func server(name, addr, ptr string, users []int, alias ...string) Server {
	return Server{Name: name, Alias: alias, Addr: netip.MustParseAddrPort(addr), PTR: ptr, users: users}
}

const factorName = "api-1b2c3d4e.duosecurity.com"

// The story's own servers come first; the first factorServers are the second factor's.
const (
	factorServers = 4
	sUpdate       = factorServers
	sLogin        = factorServers + 1
	sTrust        = factorServers + 2
	sTeams        = factorServers + 3
)

// servers is the outside world.
func servers() []Server {
	return []Server{
		server(factorName, "52.32.63.168:443", "ec2-52-32-63-168.us-west-2.compute.amazonaws.com", nil),
		server(factorName, "54.241.191.150:443", "ec2-54-241-191-150.us-west-1.compute.amazonaws.com", nil),
		server("api-frame.duosecurity.com", "54.236.251.201:443", "ec2-54-236-251-201.compute-1.amazonaws.com", nil, "duo-frame.duosecurity.com"),
		server(factorName, "52.32.63.171:443", "", nil),
		server("fe2cr.update.microsoft.com", "20.54.110.119:443", "", []int{pUpdate}, "fe2cr.update.msft.com.trafficmanager.net"),
		server("login.microsoftonline.com", "20.190.151.68:443", "", []int{pBroker, pOneDrive, pTeams}, "login.mso.msidentity.com", "www.tm.lg.prod.aadmsa.akadns.net"),
		server("ctldl.windowsupdate.com", "8.253.112.121:80", "", []int{pUpdate, pDefender}, "wu-b-net.trafficmanager.net"),
		server("teams.microsoft.com", "52.113.194.132:443", "", []int{pTeams}, "s-0005.s-msedge.net"),
		server("skydrive.wns.windows.com", "40.83.240.146:443", "", []int{pOneDrive}, "client.wns.windows.com"),
		server("g.live.com", "13.107.42.13:443", "1drv.ms", []int{pOneDrive}, "l-0004.l-msedge.net"),
		server("contoso-my.sharepoint.com", "13.107.136.9:443", "", []int{pOneDrive, pExplorer}, "spo-0004.spo-msedge.net"),
		server("www.google.com", "142.250.72.100:443", "lga34s35-in-f4.1e100.net", []int{pChromeNet}),
		server("fonts.gstatic.com", "142.250.80.3:443", "lga34s33-in-f3.1e100.net", []int{pChromeNet}),
		server("edge.example.net", "151.101.2.133:443", "", []int{pChromeNet, pTeams}),
		server("www.bing.com", "204.79.197.200:443", "a-0001.a-msedge.net", []int{pSearch, pChromeNet}, "a-0001.a-afdentry.net.trafficmanager.net"),
		server("wdcp.microsoft.com", "52.168.117.170:443", "", []int{pDefender}, "wd-prod-cp.trafficmanager.net"),
		server("cdn.example.org", "23.46.150.75:443", "a23-46-150-75.deploy.static.akamaitechnologies.com", []int{pChromeNet, pTask}),
		server("smartscreen-prod.microsoft.com", "20.86.249.62:443", "", []int{pSmartScreen}),
		server("arc.msn.com", "20.74.47.205:443", "", []int{pTask, pSearch}),
	}
}
