// Package middleware is what happens around every request, whatever its route.
//
// It owns one file per step. It refuses business and does not know how an error looks: what it has
// to answer itself it hands to a function that the router gives it. The router applies the steps in
// this order, the first being the outermost:
//
//  1. RequestID, so that everything after it, errors too, can name the request;
//  2. Protect, with what every answer says to browsers and caches, however it comes about;
//  3. Trace, if anything is traced, around all that takes time and has a status, so that the line of the
//     log and every error can name the trace;
//  4. AccessLog, so that whatever happens further in leaves exactly one line;
//  5. metrics.Requests, if metrics are on, inside the log and outside of Recover, for the same reason;
//  6. Send, if answers are compressed, inside the log and the metrics, whose times are to have the sending in
//     them, and outside of Recover, whose answer is sent too;
//  7. Recover, inside the log, so that a panic is logged with the status that it was answered with;
//  8. Drain, which says `Connection: close` while the service stops;
//  9. Framing, which says it to requests whose end two readers could see in two places;
//  10. CrossOrigin, if other origins are let in, before anybody is asked who he is or is turned away: a
//     preflight has no credentials, and its page must be able to read why it may not.
//
// Then the router finds the route. Those about users have more steps, behind the ones above, so that a
// refusal has its line and its id, and before anything of the body is read:
//
//  1. limit.Flight, before anything that costs more than to refuse;
//  2. package auth, which says who asks, on routes that not everybody may ask; who cannot say so is charged
//     by limit.Fail, so that no failure is free;
//  3. limit.Step behind that, because it charges the caller and not his address, and before his scopes
//     are looked at, so that to be refused costs as much as to be served.
//
// Compress is no step but stands around the router: inside of it everything speaks of contents as they
// are.
package middleware
