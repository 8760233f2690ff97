/* Virtual-8086 mode extensions: the other half of v86.S. */
    .set TEST_VME, 1
#include "v86.S"
