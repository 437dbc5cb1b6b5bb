package console

import (
	"net/http"
	"net/url"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/staff"
)

// mountMembers lists the routes of members and roles.
func (s *Server) mountMembers(m *http.ServeMux) {
	m.Handle("GET /staff", s.inside(staff.StaffSee, s.showMembers))
	m.Handle("GET /staff/new", s.inside(staff.StaffAsk, s.showInvite))
	m.Handle("POST /staff/new", s.inside(staff.StaffAsk, s.invite))
	m.Handle("GET /staff/{id}", s.inside(staff.StaffSee, s.showMember))
	m.Handle("POST /staff/{id}/confirm", s.inside(staff.StaffCheck, s.confirmMember))
	m.Handle("POST /staff/{id}/suspend", s.inside(staff.StaffAsk, s.suspendMember))
	m.Handle("POST /staff/{id}/order", s.inside(staff.StaffAsk, s.orderMember))
}

type membersData struct {
	Members []authority.DeskMember
	Person  string
	Next    string
}

// Older is the address of the following page.
func (d membersData) Older() string { return "/staff?" + url.Values{"before": {d.Next}}.Encode() }

// showMembers is everybody who was ever invited, the latest first.
func (s *Server) showMembers(w http.ResponseWriter, r *http.Request, on authority.StaffSession) (err error) {
	q := r.URL.Query()
	d := membersData{Person: q.Get("person")}
	if d.Members, d.Next, err = s.Authority.Members(r.Context(), on, d.Person, q.Get("before")); err != nil {
		return err
	}
	s.show(w, r, on, "staff", d)
	return nil
}

type inviteData struct {
	authority.NewStaff
	Roles []staff.Role
	In    *authority.Invitation // once it was made
}

func (s *Server) showInvite(w http.ResponseWriter, r *http.Request, on authority.StaffSession) error {
	s.show(w, r, on, "staff-new", inviteData{Roles: staff.Roles})
	return nil
}

// invite shows the link on the page that answers, and on no other.
func (s *Server) invite(w http.ResponseWriter, r *http.Request, on authority.StaffSession) error {
	d := inviteData{Roles: staff.Roles, NewStaff: authority.NewStaff{Name: r.PostFormValue("name"), Person: r.PostFormValue("person"), Branch: r.PostFormValue("branch"), Role: staff.Role(r.PostFormValue("role"))}}
	in, err := s.Authority.InviteAtDesk(r.Context(), on, d.NewStaff)
	if p, refused := problem.Of(err); refused && (p.Kind == problem.Malformed || p.Kind == problem.StaffSelf) {
		s.showRefused(w, r, on, "staff-new", d, p)
		return nil
	}
	if err != nil {
		return err
	}
	d.In = &in
	s.show(w, r, on, "staff-new", d)
	return nil
}

type memberData struct {
	authority.DeskMember
	Roles []staff.Role
	Words string // what was typed in a form that was refused
	At    string // which one
}

func (s *Server) memberData(r *http.Request, on authority.StaffSession) (d memberData, err error) {
	d.Roles = staff.Roles
	d.DeskMember, err = s.Authority.MemberAtDesk(r.Context(), on, r.PathValue("id"))
	return d, err
}

// showMember is one member, with what can be done about her.
func (s *Server) showMember(w http.ResponseWriter, r *http.Request, on authority.StaffSession) error {
	d, err := s.memberData(r, on)
	if err != nil {
		return err
	}
	s.show(w, r, on, "staff-member", d)
	return nil
}

// memberDone leads on, or shows the member as she stands with what was refused.
func (s *Server) memberDone(w http.ResponseWriter, r *http.Request, on authority.StaffSession, at, to string, err error) error {
	if p, refused := problem.Of(err); refused && p.Kind != problem.SessionOver && p.Kind != problem.NotFound && p.Kind != problem.Forbidden {
		d, err := s.memberData(r, on)
		if err != nil {
			return err
		}
		d.Words, d.At = r.PostFormValue("words"), at
		s.showRefused(w, r, on, "staff-member", d, p)
		return nil
	}
	if err != nil {
		return err
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

func (s *Server) confirmMember(w http.ResponseWriter, r *http.Request, on authority.StaffSession) error {
	id := r.PathValue("id")
	_, err := s.Authority.ConfirmAtDesk(r.Context(), on, id, r.PostFormValue("word"))
	return s.memberDone(w, r, on, "confirm", "/staff/"+id+"?said=confirmed", err)
}

func (s *Server) suspendMember(w http.ResponseWriter, r *http.Request, on authority.StaffSession) error {
	id := r.PathValue("id")
	err := s.Authority.SuspendAtDesk(r.Context(), on, id, r.PostFormValue("words"))
	return s.memberDone(w, r, on, "suspend", "/staff/"+id+"?said=suspended", err)
}

// orderMember asks for what a second person then checks: another role, the end of a suspension, or the end.
func (s *Server) orderMember(w http.ResponseWriter, r *http.Request, on authority.StaffSession) error {
	id, what := r.PathValue("id"), r.PostFormValue("what")
	body := map[string]string{"member": id}
	switch what {
	case "role":
		body["role"] = r.PostFormValue("role")
	case "resume", "remove":
	default:
		return problem.New(problem.Malformed)
	}
	o, err := s.Authority.AskOrder(r.Context(), on, "staff."+what, body, r.PostFormValue("words"))
	return s.memberDone(w, r, on, what, "/orders/"+o.ID+"?said=asked", err)
}
