package web

import (
	"crypto/subtle"
	"net/http"

	"github.com/inkan-auth/inkan/internal/authority"
)

// staffCookie is the session of a member of staff. It is Strict: nobody comes to the console from another site.
const staffCookie = "__Host-staff"

// StaffCookie is the value of the console's session cookie, or empty.
func StaffCookie(r *http.Request) string {
	c, err := r.Cookie(staffCookie)
	if err != nil {
		return ""
	}
	return c.Value
}

// StaffSessionOf is the live session at the console of the browser that asks.
func StaffSessionOf(r *http.Request, a *authority.Authority) (authority.StaffSession, error) {
	return a.StaffSessionOf(r.Context(), StaffCookie(r))
}

// SetStaffCookie hands a session at the console to the browser.
func SetStaffCookie(w http.ResponseWriter, value string) {
	set(w, staffCookie, value, 0, http.SameSiteStrictMode)
}

// ClearStaffSession takes the session back from the browser.
func ClearStaffSession(w http.ResponseWriter) {
	set(w, staffCookie, "", -1, http.SameSiteStrictMode)
	w.Header().Set("Clear-Site-Data", `"cache"`)
}

// StaffFormOK says whether a form carries the value bound to the session.
func StaffFormOK(r *http.Request, s authority.StaffSession) bool {
	return s.CSRF != "" && subtle.ConstantTimeCompare([]byte(r.PostFormValue("form")), []byte(s.CSRF)) == 1
}

// PreFormOf gives the value that the browser keeps for forms before there is a session, if value is the same; a ceremony that it begins belongs to this browser.
func PreFormOf(r *http.Request, value string) (string, bool) {
	c, err := r.Cookie(preCookie)
	if err != nil || len(c.Value) != 43 || subtle.ConstantTimeCompare([]byte(c.Value), []byte(value)) != 1 {
		return "", false
	}
	return c.Value, true
}
