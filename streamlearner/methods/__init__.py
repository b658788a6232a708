"""Methods: one paper, one file, one class. `METHODS` maps the name in the configuration to the class."""

from streamlearner.methods.active_long_term import ActiveLongTerm
from streamlearner.methods.base import DualMemory
from streamlearner.methods.deep_generative_replay import DeepGenerativeReplay
from streamlearner.methods.elastic_weight_consolidation import ElasticWeightConsolidation
from streamlearner.methods.finetune import Finetune
from streamlearner.methods.generative_dual_memory import GenerativeDualMemory
from streamlearner.methods.masked_generator import MaskedGenerator
from streamlearner.methods.meta_learned_update import MetaLearnedUpdate
from streamlearner.methods.pseudopattern_rehearsal import PseudopatternRehearsal
from streamlearner.methods.recollection_replay import RecollectionReplay
from streamlearner.methods.rehearsal import Rehearsal

METHODS: dict[str, type[DualMemory]] = {
    "recollection_replay": RecollectionReplay,
    "active_long_term": ActiveLongTerm,
    "generative_dual_memory": GenerativeDualMemory,
    "masked_generator": MaskedGenerator,
    "meta_learned_update": MetaLearnedUpdate,
    "deep_generative_replay": DeepGenerativeReplay,
    "elastic_weight_consolidation": ElasticWeightConsolidation,
    "pseudopattern_rehearsal": PseudopatternRehearsal,
    "finetune": Finetune,
    "rehearsal": Rehearsal,
}
