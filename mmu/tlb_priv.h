/* What tlb.c and tlb_space.c share. */
#ifndef CROSSPAGE_MMU_TLB_PRIV_H
#define CROSSPAGE_MMU_TLB_PRIV_H

#include "mmu/tlb.h"

/* Before the first flush: space 0 is selected. */
void tlb_spaces_init(struct tlb *tlb);
/* An entry of the selected space was put into the map: it has to leave it with the space. */
void tlb_note(struct tlb *tlb, struct tlb_entry *entry);
/* No entry is left. */
void tlb_notes_drop(struct tlb *tlb);
/* Code was fetched through an entry of the selected space. */
void tlb_code_own(struct tlb *tlb, bool user);
/* What was fetched through entries of a space has to be looked up again; TLB_GLOBAL: in every space. */
void tlb_code_renew(struct tlb *tlb, bool user, unsigned space);

#endif
