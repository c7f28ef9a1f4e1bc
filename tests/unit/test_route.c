#include "test.h"

static const mote_hop_t mx = { .port = 25, .tls = MOTE_TLS_OPPORTUNISTIC };
static const mote_hop_t relay = { .host = { (const uint8_t *)"smtp.example.net", 16 }, .port = 465, .implicit = true };

#define DOMAIN(text) { (const uint8_t *)(text), sizeof(text) - 1 }

/* MX-28, MX-29: exact before suffix before default; the first of each; a subdomain is not its parent. */
static void finding(void **state)
{
    static const mote_route_t routes[] = {
        { DOMAIN(""), MOTE_ROUTE_MX, 1, &mx },
        { DOMAIN(".example.net"), MOTE_ROUTE_RELAY, 1, &relay },
        { DOMAIN("local.example"), MOTE_ROUTE_LOCAL, 0, NULL },
        { DOMAIN("a.example.net"), MOTE_ROUTE_LOCAL, 0, NULL },
        { DOMAIN(".net"), MOTE_ROUTE_MX, 1, &mx },
    };
    static const struct {
        const char *domain;
        int row;
    } cases[] = {
        { "local.example", 2 },     { "LOCAL.Example", 2 },  { "sub.local.example", 0 }, { "notlocal.example", 0 },
        { "example.net", 4 },       { "b.example.net", 1 },  { "a.example.net", 3 },     { "x.a.example.net", 1 },
        { "badexample.net", 4 },    { "other.example", 0 },  { "[192.0.2.1]", 0 },       { "net", 0 },
    };
    mote_route_t routes_with_two_defaults[2] = { { DOMAIN(""), MOTE_ROUTE_RELAY, 1, &relay } };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const mote_route_t *route = mote_route_find(routes, COUNT_OF(routes), mote_span_text(cases[i].domain));

        CHECK(route == &routes[cases[i].row], cases[i].domain);
    }
    assert_null(mote_route_find(routes + 2, 1, TEXT("other.example")));
    routes_with_two_defaults[1] = routes[0];
    assert_ptr_equal(mote_route_find(routes_with_two_defaults, 2, TEXT("other.example")), &routes_with_two_defaults[0]);
}

/* TLS-1: what cannot be is refused, so an unknown value never means "in the clear". */
static void checking(void **state)
{
    static const struct {
        const char *name;
        mote_route_t route;
        mote_hop_t hop;
        bool is_right;
    } cases[] = {
        { "MX", { DOMAIN(""), MOTE_ROUTE_MX, 1, NULL }, { .port = 25, .tls = MOTE_TLS_OPPORTUNISTIC }, true },
        { "MX without port", { DOMAIN(""), MOTE_ROUTE_MX, 1, NULL }, { .port = 0, .tls = MOTE_TLS_NONE }, false },
        { "MX verified: no name to verify", { DOMAIN(""), MOTE_ROUTE_MX, 1, NULL }, { .port = 25, .tls = MOTE_TLS_VERIFIED }, false },
        { "MX with a host", { DOMAIN(""), MOTE_ROUTE_MX, 1, NULL }, { .host = DOMAIN("a.example"), .port = 25, .tls = MOTE_TLS_NONE }, false },
        { "MX with AUTH", { DOMAIN(""), MOTE_ROUTE_MX, 1, NULL }, { .port = 25, .tls = MOTE_TLS_NONE, .mechanisms = 1 }, false },
        { "MX implicit", { DOMAIN(""), MOTE_ROUTE_MX, 1, NULL }, { .port = 25, .tls = MOTE_TLS_REQUIRED, .implicit = true }, false },
        { "MX twice", { DOMAIN(""), MOTE_ROUTE_MX, 2, NULL }, { .port = 25, .tls = MOTE_TLS_NONE }, false },
        { "relay", { DOMAIN(""), MOTE_ROUTE_RELAY, 1, NULL }, { .host = DOMAIN("a.example"), .port = 587 }, true },
        { "relay by address", { DOMAIN(""), MOTE_ROUTE_RELAY, 1, NULL }, { .host = DOMAIN("2001:db8::1"), .port = 587 }, true },
        { "relay of one label", { DOMAIN(""), MOTE_ROUTE_RELAY, 1, NULL }, { .host = DOMAIN("mail"), .port = 587 }, false },
        { "relay without host", { DOMAIN(""), MOTE_ROUTE_RELAY, 1, NULL }, { .port = 587 }, false },
        { "relay without hops", { DOMAIN(""), MOTE_ROUTE_RELAY, 0, NULL }, { .port = 587 }, false },
        { "unknown TLS mode", { DOMAIN(""), MOTE_ROUTE_RELAY, 1, NULL }, { .host = DOMAIN("a.example"), .port = 587, .tls = 4 }, false },
        { "implicit and opportunistic", { DOMAIN(""), MOTE_ROUTE_RELAY, 1, NULL },
          { .host = DOMAIN("a.example"), .port = 465, .tls = MOTE_TLS_OPPORTUNISTIC, .implicit = true }, false },
        { "implicit and none", { DOMAIN(""), MOTE_ROUTE_RELAY, 1, NULL },
          { .host = DOMAIN("a.example"), .port = 465, .tls = MOTE_TLS_NONE, .implicit = true }, false },
        { "local", { DOMAIN("a.example"), MOTE_ROUTE_LOCAL, 0, NULL }, { .port = 0 }, true },
        { "local with a hop", { DOMAIN("a.example"), MOTE_ROUTE_LOCAL, 1, NULL }, { .port = 25 }, false },
        { "unknown kind", { DOMAIN(""), 3, 1, NULL }, { .port = 25, .tls = MOTE_TLS_NONE }, false },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        mote_route_t route = cases[i].route;

        route.hops = &cases[i].hop;
        CHECK((mote_route_check(&route, 1) == MOTE_OK) == cases[i].is_right, cases[i].name);
    }
    assert_int_equal(mote_route_check(NULL, 0), MOTE_ERR_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(finding), cmocka_unit_test(checking) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
