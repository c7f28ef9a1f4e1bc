#include "setup.h"

#include <stdio.h>
#include <string.h>

static mote_status_t give_credentials(void *self, const mote_hop_t *hop, mote_credentials_t *credentials)
{
    const config_t *config = self;

    (void)hop; /* there is one relay, and they are its */
    credentials->user = mote_span_text(config->relay_user);
    credentials->password = mote_span_text(config->relay_password);
    return MOTE_OK;
}

static void set_relay(setup_t *setup, mote_route_t *route)
{
    const config_t *config = setup->config;
    mote_hop_t *hop = &setup->hop;

    hop->host = mote_span_text(config->relay_host);
    hop->port = (uint16_t)config->relay_port;
    hop->implicit = config->relay_tls == TLS_IMPLICIT;
    hop->tls = config->relay_tls == TLS_OPPORTUNISTIC ? MOTE_TLS_OPPORTUNISTIC
               : config->relay_tls == TLS_NONE        ? MOTE_TLS_NONE
               : config->relay_tls_verify             ? MOTE_TLS_VERIFIED
                                                      : MOTE_TLS_REQUIRED;
    hop->allows_plaintext_auth = config->allow_plaintext_auth;
    if (config->relay_user != NULL) {
        hop->mechanisms = (uint8_t)config->relay_mechanisms;
        hop->credentials = give_credentials;
        hop->credentials_self = (void *)config;
    }
    route->kind = MOTE_ROUTE_RELAY;
}

static void set_mx(setup_t *setup, mote_route_t *route)
{
    const config_t *config = setup->config;

    setup->hop.port = (uint16_t)config->mx_port;
    setup->hop.tls = config->mx_tls == TLS_REQUIRED ? MOTE_TLS_REQUIRED
                     : config->mx_tls == TLS_NONE   ? MOTE_TLS_NONE
                                                    : MOTE_TLS_OPPORTUNISTIC;
    route->kind = MOTE_ROUTE_MX;
}

static void set_routes(setup_t *setup)
{
    const config_t *config = setup->config;
    size_t count = config->local_domains.count;
    mote_route_t *other = &setup->routes[count];

    for (size_t i = 0; i < count; i++) {
        setup->routes[i].domain = mote_span_text(config->local_domains.items[i]);
        setup->routes[i].kind = MOTE_ROUTE_LOCAL;
    }
    if (config->relay_host != NULL) {
        set_relay(setup, other);
    } else {
        set_mx(setup, other);
    }
    other->hops = &setup->hop;
    other->hop_count = 1;
    setup->settings.routes = setup->routes;
    setup->settings.route_count = (uint8_t)(count + 1);
}

static void set_timeouts(setup_t *setup)
{
    const config_t *config = setup->config;
    mote_timeouts_t *timeouts = &setup->timeouts;
    uint16_t command_s = (uint16_t)config->command_timeout;

    timeouts->connect_s = (uint16_t)config->connect_timeout;
    timeouts->total_s = (uint16_t)config->total_timeout;
    if (command_s != 0) { /* every reply but the one to the end of data: shortening that one doubles mails */
        timeouts->greeting_s = command_s;
        timeouts->ehlo_s = command_s;
        timeouts->starttls_s = command_s;
        timeouts->auth_s = command_s;
        timeouts->mail_s = command_s;
        timeouts->rcpt_s = command_s;
        timeouts->data_s = command_s;
        timeouts->block_s = command_s;
        timeouts->reset_s = command_s;
    }
    setup->settings.smtp.timeouts = timeouts;
}

static void set_dns(setup_t *setup)
{
    const config_t *config = setup->config;

    if (config->dns_server_count > 0) {
        memcpy(setup->servers, config->dns_servers, sizeof setup->servers);
        setup->dns.server_count = (uint8_t)config->dns_server_count;
    } else {
        setup->dns.server_count = (uint8_t)mote_posix_dns_servers(NULL, setup->servers, MOTE_POSIX_SERVER_COUNT);
    }
    setup->dns.servers = setup->servers;
    setup->dns.mixes_case = true;
    setup->dns.tcp_buffer = setup->tcp;
    setup->dns.tcp_capacity = TCP_BYTES;
}

#ifdef MAILMOTE_HAS_TLS
static int set_tls(setup_t *setup)
{
    const char *ca_file = setup->config->ca_file;
    mote_status_t status;

    mote_mbedtls_shared_init(&setup->trust);
    if (setup->hop.tls == MOTE_TLS_NONE) {
        return EX_OK; /* a whole bundle is not read for nothing */
    }
    status = ca_file != NULL ? mote_mbedtls_add_ca_file(&setup->trust, ca_file)
                             : mote_mbedtls_add_system_ca(&setup->trust, NULL);
    if (status != MOTE_OK && ca_file != NULL) {
        fprintf(stderr, "mailmote: %s: ca_file: '%s' holds no certificate that can be read\n", setup->config->ca_file_place,
                ca_file);
        return EX_CONFIG;
    }
    if (status != MOTE_OK && setup->hop.tls == MOTE_TLS_VERIFIED) {
        fprintf(stderr, "mailmote: this system has no bundle of trusted CAs; install ca-certificates or set ca_file\n");
        return EX_CONFIG;
    }
    mote_mbedtls_init(&setup->tls, &setup->trust, &mote_posix_port, &setup->run.posix, setup->tls_input,
                      sizeof setup->tls_input);
    setup->run.port = &mote_mbedtls_port;
    setup->run.self = &setup->tls;
    return EX_OK;
}
#else
static int set_tls(setup_t *setup)
{
    if (setup->hop.tls == MOTE_TLS_VERIFIED || setup->hop.tls == MOTE_TLS_REQUIRED) {
        fprintf(stderr, "mailmote: this program was built without TLS (no mbedTLS 3.6 was found), and it is required here\n");
        return EX_CONFIG;
    }
    return EX_OK;
}
#endif

int setup_init(setup_t *setup, const config_t *config)
{
    mote_settings_t *settings = &setup->settings;

    memset(setup, 0, sizeof *setup);
    setup->config = config;
    mote_posix_run_init(&setup->run);
    setup->run.room.data = setup->room;
    setup->run.room.capacity = ROOM_BYTES;
    if (config->hello_name != NULL) {
        settings->smtp.hello_name = mote_span_text(config->hello_name);
    } else {
        settings->smtp.hello_name =
            mote_span(setup->hello_name, mote_posix_hello_name(setup->hello_name, sizeof setup->hello_name));
    }
    for (size_t i = 0; i < config->own_names.count; i++) {
        setup->own_names[i] = mote_span_text(config->own_names.items[i]);
    }
    settings->own_names = setup->own_names;
    settings->own_name_count = (uint8_t)config->own_names.count;
    if (settings->smtp.hello_name.size > 0 && config->own_names.count < LIST_COUNT) {
        setup->own_names[settings->own_name_count++] = settings->smtp.hello_name;
    }
    settings->own_addresses = config->own_addresses;
    settings->own_address_count = (uint8_t)config->own_address_count;
    settings->refuses_private = config->refuse_private;
    settings->allows_loopback = config->allow_loopback;
    if (config->maildir != NULL) {
        (void)mote_maildir_init(&setup->maildir, mote_span_text(config->maildir));
        settings->mailbox = &setup->maildir.mailbox;
    }
    set_routes(setup);
    set_timeouts(setup);
    set_dns(setup);
    return set_tls(setup);
}

void setup_free(setup_t *setup)
{
    setup->run.port->abort(setup->run.self);
    mote_posix_close(&setup->run.posix);
#ifdef MAILMOTE_HAS_TLS
    mote_mbedtls_shared_free(&setup->trust);
#endif
    mote_wipe(setup->room, sizeof setup->room);
}
