package staff

import "slices"

// Act is something that is done at the console. Whether this member may do it to this thing now is decided in the act itself; the table below says who may do it at all.
type Act string

// The acts. Where two persons are needed the one asks and the other checks, and no role but the supervisor's and the administrator's has both; nobody checks what she asked for herself.
const (
	Session Act = "session" // to be signed in, and one's own page

	CustomerLook   Act = "customer.look"   // by account, reference or login ID; nothing is listed (C-74)
	CustomerReveal Act = "customer.reveal" // one masked field, with a reason
	ServiceStop    Act = "service.stop"    // at once, by one person

	CallBack Act = "call.back" // a customer who waits for a call of staff: dial the number on file, and say what came of it

	CaseSee   Act = "case.see"   // release requests and their queue
	CaseMake  Act = "case.make"  // take in, fill in, send to the checker
	CaseCheck Act = "case.check" // grant, decline, return
	CaseHand  Act = "case.hand"  // print the letter, or show the key in the branch

	OrderSee     Act = "order.see"   // what waits for a second person
	RestartAsk   Act = "restart.ask" // a service that stands still
	RestartCheck Act = "restart.check"
	SwitchAsk    Act = "switch.ask" // freeze registrations or transfers of the whole bank
	SwitchCheck  Act = "switch.check"

	FraudSee Act = "fraud.see"
	FraudAct Act = "fraud.act"

	TrailSee    Act = "trail.see"
	ExportAsk   Act = "export.ask" // the trail as a signed file
	ExportCheck Act = "export.check"
	FiguresSee  Act = "figures.see"

	StaffSee    Act = "staff.see"
	StaffAsk    Act = "staff.ask" // invite, suspend, resume, remove, change a role
	StaffCheck  Act = "staff.check"
	PolicySee   Act = "policy.see"
	PolicyAsk   Act = "policy.ask"
	PolicyCheck Act = "policy.check"
)

// Acts is every act in reading order.
var Acts = []Act{Session, CustomerLook, CustomerReveal, ServiceStop, CallBack, CaseSee, CaseMake, CaseCheck, CaseHand, OrderSee, RestartAsk, RestartCheck, SwitchAsk, SwitchCheck, FraudSee, FraudAct,
	TrailSee, ExportAsk, ExportCheck, FiguresSee, StaffSee, StaffAsk, StaffCheck, PolicySee, PolicyAsk, PolicyCheck}

// may is the table of roles × acts. The administrator, who makes members, sees no customer; the auditor changes nothing.
var may = map[Role][]Act{
	Clerk:   {Session, CustomerLook, CustomerReveal, ServiceStop, CallBack, CaseSee, CaseMake, CaseHand, OrderSee, RestartAsk},
	Checker: {Session, CustomerLook, ServiceStop, CaseSee, CaseCheck, CaseHand, OrderSee, RestartCheck},
	Fraud:   {Session, CustomerLook, CustomerReveal, ServiceStop, CaseSee, OrderSee, RestartAsk, SwitchAsk, FraudSee, FraudAct},
	Supervisor: {Session, CustomerLook, CustomerReveal, ServiceStop, CallBack, CaseSee, CaseCheck, CaseHand, OrderSee, RestartAsk, RestartCheck, SwitchAsk, SwitchCheck, FraudSee, TrailSee, ExportCheck, FiguresSee, StaffSee,
		PolicySee},
	Auditor:       {Session, CaseSee, OrderSee, FraudSee, TrailSee, ExportAsk, FiguresSee, StaffSee, PolicySee},
	Administrator: {Session, OrderSee, SwitchAsk, SwitchCheck, FiguresSee, StaffSee, StaffAsk, StaffCheck, PolicySee, PolicyAsk, PolicyCheck},
}

// May says whether a role may do this at all. A role that is not listed may nothing.
func May(r Role, a Act) bool { return slices.Contains(may[r], a) }
