package console

import "net/http"

// mountOrders lists the routes of what needs a second person: orders, staff and policy.
func (s *Server) mountOrders(*http.ServeMux) {}
