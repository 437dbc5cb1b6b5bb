package console

import "net/http"

// mountCustomers lists the routes of the look-up of customers.
func (s *Server) mountCustomers(*http.ServeMux) {}
