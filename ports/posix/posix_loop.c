#define _POSIX_C_SOURCE 200809L
#include <mailmote/posix.h>

#include <stdlib.h>

enum { POLL_MS = 60000, HELLO_BYTES = 256, TCP_BYTES = 4096 };

void mote_posix_run_init(mote_posix_run_t *run)
{
    memset(run, 0, sizeof *run);
    mote_posix_init(&run->posix);
    run->port = &mote_posix_port;
    run->self = &run->posix;
    run->room.data = run->small_room;
    run->room.capacity = sizeof run->small_room;
}

static void add_run(mote_posix_loop_t *loop, mote_posix_run_t *run, uint32_t now_ms)
{
    run->due_ms = now_ms;
    run->next = loop->first;
    loop->first = run;
    loop->count++;
}

mote_status_t mote_posix_loop_add(mote_posix_loop_t *loop, mote_posix_run_t *run, const mote_settings_t *settings,
                                  const mote_dns_settings_t *dns, mote_mail_t *mail)
{
    uint32_t now_ms = mote_posix_now_ms();
    mote_status_t status;

    run->posix.allows_loopback_source |= settings->allows_loopback;
    status = mote_delivery_start(&run->delivery, settings, dns, mail, run->port, run->self, run->room, now_ms);
    if (status == MOTE_OK) {
        add_run(loop, run, now_ms);
    }
    return status;
}

mote_status_t mote_posix_loop_next(mote_posix_loop_t *loop, mote_posix_run_t *run, mote_mail_t *mail)
{
    uint32_t now_ms = mote_posix_now_ms();
    mote_status_t status = mote_delivery_next(&run->delivery, mail, now_ms);

    if (status == MOTE_OK) {
        add_run(loop, run, now_ms);
    }
    return status;
}

/* Steps a run that is due, and takes it out of the loop when it has ended (or was stopped meanwhile). */
static bool step_run(mote_posix_loop_t *loop, mote_posix_run_t **place, uint32_t now_ms)
{
    mote_posix_run_t *run = *place;

    if (!mote_delivery_has_ended(&run->delivery)) {
        uint32_t wait_ms;

        if ((int32_t)(run->due_ms - now_ms) > 0) {
            return false;
        }
        wait_ms = mote_delivery_step(&run->delivery, now_ms);
        run->due_ms = now_ms + (wait_ms < POLL_MS ? wait_ms : POLL_MS);
    }
    if (!mote_delivery_has_ended(&run->delivery)) {
        return false;
    }
    *place = run->next;
    loop->count--;
    if (run->ended != NULL) {
        run->ended(run);
    }
    return true;
}

static bool is_ready(const struct pollfd *fds, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (fds[i].revents != 0) {
            return true;
        }
    }
    return false;
}

/* Waits until a descriptor of a run is ready or the first run is due; marks the ready ones as due. */
static void wait_for_any(mote_posix_loop_t *loop, uint32_t limit_ms, uint32_t now_ms)
{
    struct pollfd few[MOTE_POSIX_FD_COUNT];
    size_t capacity = loop->count * MOTE_POSIX_FD_COUNT;
    struct pollfd *fds = loop->count <= 1 ? few : malloc(capacity * sizeof *fds);
    size_t count = 0;
    uint32_t wait_ms = limit_ms < POLL_MS ? limit_ms : POLL_MS;

    for (const mote_posix_run_t *run = loop->first; run != NULL; run = run->next) {
        uint32_t left_ms = (int32_t)(run->due_ms - now_ms) > 0 ? run->due_ms - now_ms : 0;

        wait_ms = left_ms < wait_ms ? left_ms : wait_ms;
        if (fds != NULL) {
            count += mote_posix_poll_fds(&run->posix, fds + count, MOTE_POSIX_FD_COUNT);
        }
    }
    if (fds == NULL && wait_ms > 10) {
        wait_ms = 10; /* no memory for the list: look again soon */
    }
    (void)poll(fds, (nfds_t)count, (int)wait_ms);
    count = 0;
    for (mote_posix_run_t *run = loop->first; run != NULL && fds != NULL; run = run->next) {
        struct pollfd own[MOTE_POSIX_FD_COUNT];
        size_t own_count = mote_posix_poll_fds(&run->posix, own, MOTE_POSIX_FD_COUNT);

        if (is_ready(fds + count, own_count)) {
            run->due_ms = now_ms;
        }
        count += own_count;
    }
    if (fds != few) {
        free(fds);
    }
}

size_t mote_posix_loop_step(mote_posix_loop_t *loop, uint32_t limit_ms)
{
    uint32_t now_ms = mote_posix_now_ms();
    bool has_ended = false;

    for (mote_posix_run_t **place = &loop->first; *place != NULL;) {
        mote_posix_run_t *run = *place;

        if (step_run(loop, place, now_ms)) {
            has_ended = true;
        } else {
            place = &run->next;
        }
    }
    if (loop->count > 0 && !has_ended) {
        wait_for_any(loop, limit_ms, now_ms);
    }
    return loop->count;
}

/* All that a blocking delivery needs, with what was not given. */
typedef struct call {
    mote_posix_run_t run;
    mote_settings_t settings;
    mote_dns_settings_t dns;
    mote_endpoint_t servers[MOTE_POSIX_SERVER_COUNT];
    char hello[HELLO_BYTES];
    uint8_t tcp[TCP_BYTES];
} call_t;

static void set_dns(call_t *call)
{
    memset(&call->dns, 0, sizeof call->dns);
    call->dns.server_count = (uint8_t)mote_posix_dns_servers(NULL, call->servers, MOTE_POSIX_SERVER_COUNT);
    call->dns.servers = call->servers;
    call->dns.mixes_case = true;
    call->dns.tcp_buffer = call->tcp;
    call->dns.tcp_capacity = sizeof call->tcp;
}

mote_status_t mote_posix_deliver(const mote_settings_t *settings, const mote_dns_settings_t *dns, mote_mail_t *mail)
{
    call_t *call = malloc(sizeof *call);
    mote_posix_loop_t loop = { NULL, 0 };
    mote_status_t status;

    if (call == NULL) {
        return MOTE_ERR_MEMORY;
    }
    mote_posix_run_init(&call->run);
    call->settings = *settings;
    if (settings->smtp.hello_name.size == 0) {
        call->settings.smtp.hello_name = mote_span(call->hello, mote_posix_hello_name(call->hello, sizeof call->hello));
    }
    if (dns == NULL) {
        set_dns(call);
    }
    status = mote_posix_loop_add(&loop, &call->run, &call->settings, dns != NULL ? dns : &call->dns, mail);
    while (status == MOTE_OK && mote_posix_loop_step(&loop, UINT32_MAX) > 0) {
    }
    mote_posix_close(&call->run.posix);
    mote_wipe(call, sizeof *call); /* commands may have held a password */
    free(call);
    return status;
}
