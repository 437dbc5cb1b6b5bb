package console

import (
	"cmp"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/staff"
)

// mountOrders lists the routes of what needs a second person: orders, staff and policy.
func (s *Server) mountOrders(m *http.ServeMux) {
	m.Handle("GET /orders", s.inside(staff.OrderSee, s.showOrders))
	m.Handle("POST /orders", s.inside(staff.SwitchAsk, s.askSwitch))
	m.Handle("GET /orders/{id}", s.inside(staff.OrderSee, s.showOrder))
	m.Handle("POST /orders/{id}", s.inside(staff.OrderSee, s.checkOrder))
	m.Handle("POST /orders/{id}/withdraw", s.inside(staff.OrderSee, s.withdrawOrder))
	s.mountMembers(m)
	s.mountRules(m)
}

type ordersData struct {
	List     authority.OrderList
	Orders   []authority.Order
	Next     string
	Switches []authority.SwitchState
	Waiting  map[string]string // order that waits, by kill switch
	Words    string            // what was typed in a form that was refused
	At       string
}

// Older is the address of the following page.
func (d ordersData) Older() string {
	return "/orders?" + url.Values{"list": {string(d.List)}, "before": {d.Next}}.Encode()
}

// orderLists are the lists in the order of their tabs.
var orderLists = []authority.OrderList{authority.OrdersOpen, authority.OrdersMine, authority.OrdersDecided}

// Lists are the tabs.
func (d ordersData) Lists() []authority.OrderList { return orderLists }

func (s *Server) ordersData(r *http.Request, on authority.StaffSession) (d ordersData, err error) {
	d.List = authority.OrderList(r.URL.Query().Get("list"))
	if !slices.Contains(orderLists, d.List) {
		d.List = authority.OrdersOpen
	}
	if d.Orders, d.Next, err = s.Authority.Orders(r.Context(), on, d.List, r.URL.Query().Get("before")); err != nil {
		return d, err
	}
	open := d.Orders
	if d.List != authority.OrdersOpen {
		if open, _, err = s.Authority.Orders(r.Context(), on, authority.OrdersOpen, ""); err != nil {
			return d, err
		}
	}
	d.Waiting = map[string]string{}
	for _, o := range open {
		if o.Kind == "switch.set" {
			d.Waiting[o.Target] = o.ID
		}
	}
	d.Switches, err = s.Authority.Switches(r.Context())
	return d, err
}

// showOrders is what waits for a second person, what this member has asked for, and what was decided lately.
func (s *Server) showOrders(w http.ResponseWriter, r *http.Request, on authority.StaffSession) error {
	d, err := s.ordersData(r, on)
	if err != nil {
		return err
	}
	s.show(w, r, on, "orders", d)
	return nil
}

// askSwitch asks for a freeze of the whole bank, or for its end.
func (s *Server) askSwitch(w http.ResponseWriter, r *http.Request, on authority.StaffSession) error {
	name, words := r.PostFormValue("name"), r.PostFormValue("words")
	o, err := s.Authority.AskOrder(r.Context(), on, "switch.set", map[string]any{"name": name, "frozen": r.PostFormValue("frozen") == "true"}, words)
	if p, refused := problem.Of(err); refused && p.Kind != problem.SessionOver && p.Kind != problem.Forbidden {
		d, err := s.ordersData(r, on)
		if err != nil {
			return err
		}
		d.Words, d.At = words, name
		s.showRefused(w, r, on, "orders", d, p)
		return nil
	}
	if err != nil {
		return err
	}
	http.Redirect(w, r, "/orders/"+o.ID+"?said=asked", http.StatusSeeOther)
	return nil
}

type orderData struct {
	authority.Order
	Words string // what was typed in a form that was refused
}

// showOrder is exactly what would be done, by whom it was asked and why.
func (s *Server) showOrder(w http.ResponseWriter, r *http.Request, on authority.StaffSession) error {
	o, err := s.Authority.Order(r.Context(), on, r.PathValue("id"))
	if err != nil {
		return err
	}
	s.show(w, r, on, "order", orderData{Order: o})
	return nil
}

// checkOrder is the second person's answer to what her page has shown.
func (s *Server) checkOrder(w http.ResponseWriter, r *http.Request, on authority.StaffSession) error {
	id, yes, words := r.PathValue("id"), r.PostFormValue("answer") == "carry", r.PostFormValue("words")
	_, err := s.Authority.CheckOrder(r.Context(), on, id, r.PostFormValue("hash"), yes, words)
	return s.orderDone(w, r, on, id, words, err, map[bool]string{true: "carried", false: "declined"}[yes])
}

// withdrawOrder takes back what this member has asked for.
func (s *Server) withdrawOrder(w http.ResponseWriter, r *http.Request, on authority.StaffSession) error {
	id := r.PathValue("id")
	return s.orderDone(w, r, on, id, "", s.Authority.WithdrawOrder(r.Context(), on, id), "withdrawn")
}

// orderDone leads back to the order, or shows it as it stands with what was refused.
func (s *Server) orderDone(w http.ResponseWriter, r *http.Request, on authority.StaffSession, id, words string, err error, said string) error {
	if p, refused := problem.Of(err); refused && p.Kind != problem.SessionOver && p.Kind != problem.NotFound && p.Kind != problem.Forbidden {
		o, err := s.Authority.Order(r.Context(), on, id)
		if err != nil {
			return err
		}
		s.showRefused(w, r, on, "order", orderData{o, words}, p)
		return nil
	}
	if err != nil {
		return err
	}
	http.Redirect(w, r, "/orders/"+id+"?said="+said, http.StatusSeeOther)
	return nil
}

// orderFact is one line of what an order is about. Was and Will are there where something changes.
type orderFact struct{ Label, Value, Was, Will string }

// orderKeys are what an order may be about, in the order in which it is read.
var orderKeys = []string{"name", "account", "person", "role", "stopped", "was", "will", "back"}

// OrderFacts are what an order would change, in words.
func (v *view) OrderFacts(o authority.Order) (out []orderFact) {
	say := func(key, value string) string {
		switch {
		case o.Kind == "switch.set":
			return v.T("order.frozen." + value)
		case o.Kind == "staff.role" || key == "role":
			return v.T("role." + value)
		case o.Kind == "policy.set":
			return v.Number(o.Target, value)
		}
		return value
	}
	rank := func(key string) int { // what is not listed comes last
		return (slices.Index(orderKeys, key) + len(orderKeys) + 1) % (len(orderKeys) + 1)
	}
	keys := slices.SortedFunc(maps.Keys(o.Detail), func(x, y string) int { return cmp.Or(rank(x)-rank(y), strings.Compare(x, y)) })
	for _, key := range keys {
		value := o.Detail[key]
		switch key {
		case "will":
		case "back":
			out = append(out, orderFact{Label: v.T("order.fact.back")})
		case "was":
			out = append(out, orderFact{Label: v.T("order.change"), Was: say(key, value), Will: say("will", o.Detail["will"])})
		case "stopped":
			at, _ := time.Parse(time.RFC3339Nano, value)
			out = append(out, orderFact{Label: v.T("order.fact.stopped"), Value: v.Moment(at)})
		case "name", "account", "person":
			out = append(out, orderFact{Label: v.T("order.fact." + key), Value: value})
		case "role":
			out = append(out, orderFact{Label: v.T("order.fact." + key), Value: say(key, value)})
		default: // what another part of the console has asked for says itself
			for _, f := range v.Facts(map[string]string{key: value}) {
				out = append(out, orderFact{Label: f.Name, Value: f.Value})
			}
		}
	}
	return out
}

// OrderAbout says in one line what an order is about.
func (v *view) OrderAbout(o authority.Order) string {
	switch o.Kind {
	case "switch.set":
		return v.T("switch."+o.Target) + " → " + v.T("order.frozen."+o.Detail["will"])
	case "policy.set":
		return v.RuleName(o.Target) + "：" + v.Number(o.Target, o.Detail["was"]) + " → " + v.Number(o.Target, o.Detail["will"])
	case "staff.role":
		return o.Detail["name"] + "：" + v.T("role."+o.Detail["was"]) + " → " + v.T("role."+o.Detail["will"])
	case "trail.export":
		return v.T("export.about", "n", o.Detail["rows"])
	}
	return strings.TrimSpace(o.Detail["name"] + " " + o.Detail["account"])
}

// Flag writes a truth for a form.
func (v *view) Flag(b bool) string { return strconv.FormatBool(b) }
