/* Character back ends on the host: what a serial port is connected to.
 *
 *   stdio | mon:stdio                standard input and output; Ctrl-A X ends the run
 *   file:PATH                        output to a file
 *   tcp:[HOST]:PORT[,OPTIONS]        connect; with `server` listen, and wait for a caller unless `nowait`
 *   pty                              a pseudo-terminal of the host
 *   null                             nothing
 *
 * Input is fetched by chardev_poll(), which the lab calls at fixed simulated intervals: without input a run
 * does not depend on the host. */
#ifndef CROSSPAGE_HOSTWORLD_CHARDEV_H
#define CROSSPAGE_HOSTWORLD_CHARDEV_H

#include "devices/backends.h"

struct chardev;

enum status chardev_open(struct chardev **chardev, const char *spec, struct error *err) MUST_CHECK;
/* The same without a way in: stdio (standard output), file: and null. */
enum status chardev_open_output(struct chardev **chardev, const char *spec, struct error *err) MUST_CHECK;
/* Writes out what is left; reports output that was lost. NULL is nothing to do. */
enum status chardev_close(struct chardev *chardev, struct error *err) MUST_CHECK;

/* Wait for a caller where the specification says so. The notice, printed before, tells the user. */
void chardev_wait(struct chardev *chardev);

struct char_backend chardev_backend(struct chardev *chardev);

/* Hand input to the port, write out buffered output. True when the user has asked to end the run. */
bool chardev_poll(struct chardev *chardev);
void chardev_flush(struct chardev *chardev); /* only write out */

/* Input has been fetched that the port is not ready for: poll again soon. */
bool chardev_input_waits(const struct chardev *chardev);

/* Has the user asked to end the run? Fetches input, but hands none to the port. */
bool chardev_asks_end(struct chardev *chardev);

/* The guest's console is on our standard output (and input). */
bool chardev_is_stdio(const struct chardev *chardev);

/* What the user has to know to connect ("pseudo-terminal /dev/pts/3"), or NULL. */
const char *chardev_notice(const struct chardev *chardev);

#endif
